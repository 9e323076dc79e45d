//! Finds the worker: the descriptors that the environment names mean `binary`, else it is `jsonl` on standard input and
//! output. Descriptors are opened anew by their path in `/dev/fd`, which for a pipe leads to the same pipe.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use super::Error;
use crate::protocol::{BinaryHandler, HandlerCodec, JsonlHandler};

const IN: &str = "KAFKAVISOR_IN_FD";
const OUT: &str = "KAFKAVISOR_OUT_FD";

pub(super) struct Streams {
    pub(super) codec: Box<dyn HandlerCodec>,
    pub(super) input: Box<dyn Read>,
    pub(super) output: Box<dyn Write>,
}

pub(super) fn from_environment() -> Result<Streams, Error> {
    choose(variable(IN), variable(OUT))
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

fn choose(input: Option<String>, output: Option<String>) -> Result<Streams, Error> {
    Ok(match (input, output) {
        (None, None) => Streams {
            codec: Box::new(JsonlHandler::new()),
            input: Box::new(io::stdin()),
            output: Box::new(io::stdout()),
        },
        (input, output) => Streams {
            codec: Box::new(BinaryHandler::new()),
            input: Box::new(open(IN, input, OpenOptions::new().read(true))?),
            output: Box::new(open(OUT, output, OpenOptions::new().write(true))?),
        },
    })
}

fn open(name: &'static str, value: Option<String>, options: &OpenOptions) -> Result<File, Error> {
    let value = value.unwrap_or_default();
    let Ok(number) = value.parse::<u16>() else { return Err(Error::Environment { name, value }) };
    let path = format!("/dev/fd/{number}");
    options
        .open(&path)
        .map_err(|source| Error::Io { what: format!("open {path}, which {name} names"), source })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn descriptors_in_the_environment_mean_binary_on_them() {
        let (reader, mut writer) = io::pipe().unwrap();
        let (mut heard, answers) = io::pipe().unwrap();
        let named = |fd: i32| Some(fd.to_string());
        let mut streams = choose(named(reader.as_raw_fd()), named(answers.as_raw_fd())).unwrap();
        assert!(format!("{:?}", streams.codec).starts_with("BinaryHandler"));
        writer.write_all(b"to").unwrap();
        streams.output.write_all(b"from").unwrap();
        let (mut to, mut from) = ([0; 2], [0; 4]);
        streams.input.read_exact(&mut to).unwrap();
        heard.read_exact(&mut from).unwrap();
        assert_eq!((&to, &from), (b"to", b"from"));
        drop(writer);
        assert_eq!(streams.input.read(&mut to).unwrap(), 0);
    }

    #[test]
    fn no_descriptors_mean_jsonl() {
        assert!(format!("{:?}", choose(None, None).unwrap().codec).starts_with("JsonlHandler"));
    }

    #[test]
    fn a_wrong_descriptor_is_named() {
        let name = |input: &str, output: Option<&str>| {
            choose(Some(input.to_owned()), output.map(str::to_owned)).err().unwrap().to_string()
        };
        assert!(name("x", None).contains("KAFKAVISOR_IN_FD is \"x\""));
        assert!(name("65000", Some("4")).contains("/dev/fd/65000"));
    }
}
