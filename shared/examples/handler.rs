//! A handler in Rust: one function, called for each message. Speaks jsonl and binary, as the supervisor asks for it.
//!   kafkavisor run -b localhost:9092 -z localhost:2181 -g demo -t orders --protocol binary -- ./handler
//! With OUT=FILE in the environment "partition offset" is appended to that file for each message.

use std::env;
use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write;

use kafkavisor::handler::{self, Failure, Message};

#[expect(clippy::print_stderr, reason = "standard error is a handler's log")]
fn main() -> Result<(), Box<dyn Error>> {
    let partition = env::var("KAFKAVISOR_PARTITION")?;
    let mut out = match env::var_os("OUT") {
        Some(path) => Some(OpenOptions::new().create(true).append(true).open(path)?),
        None => None,
    };
    let mut count = 0_u64;
    handler::run(|message: &Message| {
        // What can never succeed is rejected; any other error ends this handler, and the message comes again.
        str::from_utf8(message.payload()).map_err(Failure::reject)?;
        if let Some(out) = &mut out {
            out.write_all(format!("{partition} {}\n", message.offset).as_bytes())?;
        }
        count += 1;
        if count.is_multiple_of(100_000) {
            eprintln!("{count} messages, the last at offset {}", message.offset);
        }
        Ok(())
    })?;
    Ok(())
}
