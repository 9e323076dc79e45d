//! The two requests that every broker answers before anybody has logged in: ApiVersions and SaslHandshake.

use std::io::{self, ErrorKind};

use super::tls::Stream;

/// ApiVersions, version 0, under number 1 and without a client's name.
const API_VERSIONS: &[u8] = &[0, 18, 0, 0, 0, 0, 0, 1, 255, 255];
/// SaslHandshake, version 1, likewise; a mechanism follows.
const SASL_HANDSHAKE: &[u8] = &[0, 17, 0, 1, 0, 0, 0, 1, 255, 255];
/// Nothing that is asked here is answered at such length; what is no Kafka may say anything.
const MAX_ANSWER: usize = 1 << 16;

/// The errors that SaslHandshake is answered with.
const NO_ERROR: i16 = 0;
const UNSUPPORTED_MECHANISM: i16 = 33;

/// What a listener has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sasl {
    /// None.
    None,
    /// These mechanisms.
    Offers(Vec<String>),
}

/// Asks for versions; an error where no Kafka answers.
pub(super) fn greet(stream: &mut dyn Stream) -> io::Result<()> {
    ask(stream, API_VERSIONS.to_vec()).map(drop)
}

/// Asks for a mechanism.
pub(super) fn ask_sasl(stream: &mut dyn Stream, mechanism: &str) -> io::Result<Sasl> {
    let length = u16::try_from(mechanism.len()).map_err(|_| ErrorKind::InvalidInput)?;
    let request = [SASL_HANDSHAKE, &length.to_be_bytes(), mechanism.as_bytes()].concat();
    offers(&ask(stream, request)?).ok_or_else(|| ErrorKind::InvalidData.into())
}

/// What stands in the answer: an error, and names.
fn offers(answer: &[u8]) -> Option<Sasl> {
    let (error, rest) = answer.split_first_chunk()?;
    let error = i16::from_be_bytes(*error);
    if error != NO_ERROR && error != UNSUPPORTED_MECHANISM {
        return Some(Sasl::None);
    }
    let (count, mut rest) = rest.split_first_chunk()?;
    let mut names = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let (length, from) = rest.split_first_chunk()?;
        let (name, from) = from.split_at_checked(u16::from_be_bytes(*length).into())?;
        names.push(String::from_utf8_lossy(name).into_owned());
        rest = from;
    }
    // The broker's order is another each time.
    names.sort_unstable();
    Some(Sasl::Offers(names))
}

/// The answer, without its length and number.
fn ask(stream: &mut dyn Stream, request: Vec<u8>) -> io::Result<Vec<u8>> {
    let length = u32::try_from(request.len()).map_err(|_| ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes(), request.as_slice()].concat())?;
    let mut head = [0; 8];
    stream.read_exact(&mut head)?;
    let [a, b, c, d, number @ ..] = head;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| ErrorKind::InvalidData)?;
    if u32::from_be_bytes(number) != 1 || !(4..MAX_ANSWER).contains(&length) {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut answer = vec![0; length - 4];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_listener_offers_is_read_and_nonsense_is_none() {
        let answer = b"\0\x21\0\0\0\x02\0\x05PLAIN\0\x05OTHER";
        let names = vec!["OTHER".to_owned(), "PLAIN".to_owned()];
        assert_eq!(offers(answer), Some(Sasl::Offers(names)));
        assert_eq!(offers(b"\0\x22\0\0\0\0"), Some(Sasl::None), "ILLEGAL_SASL_STATE");
        for end in 0..answer.len() {
            assert_eq!(offers(&answer[..end]), None, "{end}");
        }
    }
}
