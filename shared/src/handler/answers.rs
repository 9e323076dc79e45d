//! Gathers what is done into few acknowledgements and writes them; the handler's part of it is [`Context`].

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::clock;
use crate::ids::Offset;
use crate::protocol::{Answer, HandlerCodec};

/// Acknowledged at the latest after so many messages.
const MAX_UNSAID: u32 = 1000;

/// Acknowledged at the latest after so long, when messages go on being done.
const MAX_AGE: Duration = Duration::from_millis(100);

/// What is done and what of it has been said.
pub(super) struct Answers<'a> {
    codec: &'a mut dyn HandlerCodec,
    output: &'a mut dyn Write,
    bytes: Vec<u8>,
    unsaid: Option<Offset>,
    count: u32,
    said: Instant,
}

impl<'a> Answers<'a> {
    pub(super) fn new(codec: &'a mut dyn HandlerCodec, output: &'a mut dyn Write) -> Self {
        Self { codec, output, bytes: Vec::new(), unsaid: None, count: 0, said: clock::now() }
    }

    pub(super) fn codec(&mut self) -> &mut dyn HandlerCodec {
        self.codec
    }

    /// Everything up to `offset` is done; says so if that is due.
    pub(super) fn done(&mut self, offset: Offset) -> io::Result<()> {
        self.unsaid = Some(offset);
        self.count += 1;
        let due = self.count >= MAX_UNSAID || clock::now().duration_since(self.said) >= MAX_AGE;
        if due { self.acknowledge() } else { Ok(()) }
    }

    /// Acknowledges what is done.
    pub(super) fn acknowledge(&mut self) -> io::Result<()> {
        match self.unsaid.take() {
            Some(offset) => self.say(&Answer::Ack(offset)),
            None => Ok(()),
        }
    }

    /// Rejects one message, which acknowledges those before it.
    pub(super) fn reject(&mut self, offset: Offset, error: String) -> io::Result<()> {
        self.unsaid = None;
        self.say(&Answer::Reject { offset, error })
    }

    fn say(&mut self, answer: &Answer) -> io::Result<()> {
        self.codec.answer(&mut self.bytes, answer);
        self.output.write_all(&self.bytes)?;
        self.bytes.clear();
        self.count = 0;
        self.said = clock::now();
        self.output.flush()
    }
}

/// What a handler may say while it works.
pub struct Context<'a> {
    answers: &'a mut dyn Busy,
    offset: Offset,
}

/// Hides the lifetimes of [`Answers`].
pub(super) trait Busy {
    fn busy(&mut self, offset: Offset) -> io::Result<()>;
}

impl Busy for Answers<'_> {
    fn busy(&mut self, offset: Offset) -> io::Result<()> {
        self.acknowledge()?;
        self.say(&Answer::Busy(offset))
    }
}

impl<'a> Context<'a> {
    pub(super) fn new(answers: &'a mut dyn Busy, offset: Offset) -> Self {
        Self { answers, offset }
    }

    /// Still at work: `handler.timeout` starts afresh. To be said by work that may take longer than that, retries included.
    pub fn busy(&mut self) -> io::Result<()> {
        self.answers.busy(self.offset)
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("offset", &self.offset).finish_non_exhaustive()
    }
}
