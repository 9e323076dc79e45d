//! Asks for the first token, and keeps asking.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, unbounded};
use kafkavisor::clock::{now, wall_millis};
use kafkavisor::config::{Identity, KafkaProperties, OAuth};
use kafkavisor::token::Token;
use tokio::runtime::Builder;

use super::board::board;
use super::source::{TokenError, TokenSource};
use super::token::{ask_again_in, try_again_in, waited_for};
use crate::exit::Failure;

/// Whoever was not reached at start is asked again after this.
const ASK_AGAIN: Duration = Duration::from_millis(300);

/// What the configuration says of tokens.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    kafka: KafkaProperties,
    oauth: Option<OAuth>,
}

impl From<Identity<'_>> for Settings {
    fn from(identity: Identity<'_>) -> Self {
        Self { kafka: identity.kafka.clone(), oauth: identity.oauth.cloned() }
    }
}

impl Settings {
    /// Whom to ask, with secrets as they are now; what can't be read stays what it was.
    fn source(&mut self) -> Option<TokenSource> {
        for (name, error) in self.kafka.read_again() {
            log::error!("kafka.{name}: {error}; it stays what it was before");
        }
        TokenSource::of(&self.kafka, self.oauth.as_ref()).ok().flatten()
    }
}

/// Puts the first token up on the board, where Kafka wants any: all clients of this process have it from here on.
pub(crate) fn log_in(identity: Identity<'_>, until: Instant) -> Result<Option<Token>, Failure> {
    let token = first(identity.into(), until).map_err(|error| {
        let message = error.to_string();
        if error.may_come() { Failure::unreachable(message) } else { Failure::configuration(message) }
    })?;
    token.iter().for_each(|token| board().give(token));
    Ok(token)
}

/// Asks for it: until `until` whoever is not reached is asked again.
fn first(mut settings: Settings, until: Instant) -> Result<Option<Token>, TokenError> {
    let Some(source) = settings.source() else { return Ok(None) };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(TokenError::Runtime)?;
    let mut before = None;
    loop {
        match source.ask(&runtime, until.saturating_duration_since(now())) {
            Ok(token) => return Ok(Some(token)),
            // Time is up, and this question may have been cut short by it: what was answered before says more.
            Err(error) if error.is_too_late() => return Err(before.unwrap_or(error)),
            Err(error) if error.may_come() && now() + ASK_AGAIN < until => before = Some(error),
            Err(error) => return Err(error),
        }
        thread::park_timeout(ASK_AGAIN);
    }
}

/// What became of a question.
#[derive(Debug)]
pub(crate) enum Told {
    Token(Token),
    Failed(NoSuccessor),
}

/// Why there is no new one, and until when the last one counts.
#[derive(Debug)]
pub(crate) struct NoSuccessor {
    error: TokenError,
    /// In milliseconds since 1970.
    expires_at: i64,
}

impl NoSuccessor {
    /// Whether the last one has expired too.
    pub(crate) fn is_the_end(&self) -> bool {
        left(self.expires_at).is_zero()
    }
}

impl Display for NoSuccessor {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { error, expires_at } = self;
        let left = left(*expires_at);
        if left.is_zero() {
            write!(
                f,
                "{error}; the last token has expired: brokers take no new connection until there is another"
            )
        } else {
            write!(
                f,
                "{error}; the last token counts for another {left:.0?}, until then nothing is lost by it"
            )
        }
    }
}

fn left(expires_at: i64) -> Duration {
    Duration::from_millis(u64::try_from(expires_at.saturating_sub(wall_millis())).unwrap_or(0))
}

/// The thread that asks.
pub(crate) struct Keeper(Sender<Settings>);

impl Keeper {
    /// Asks for the successors of `token`; `tell` is called on its thread.
    pub(crate) fn start(
        settings: Settings,
        token: &Token,
        tell: impl Fn(Told) + Send + 'static,
    ) -> io::Result<Self> {
        let (settings_in, changed) = unbounded::<Settings>();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut settings = settings;
        let mut expires_at = token.expires_at;
        let work = move || {
            let mut failures = 0;
            let mut pause = ask_again_in(expires_at, wall_millis());
            loop {
                match changed.recv_timeout(pause) {
                    Ok(new) => settings = new,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                // One that wants no tokens any more is asked for none until a restart takes that up.
                let Some(source) = settings.source() else { continue };
                match source.ask(&runtime, waited_for(left(expires_at))) {
                    Ok(token) => {
                        (failures, expires_at) = (0, token.expires_at);
                        pause = ask_again_in(expires_at, wall_millis());
                        tell(Told::Token(token));
                    }
                    Err(error) => {
                        failures += 1;
                        pause = try_again_in(failures);
                        tell(Told::Failed(NoSuccessor { error, expires_at }));
                    }
                }
            }
        };
        thread::Builder::new().name("tokens".to_owned()).spawn(work)?;
        Ok(Self(settings_in))
    }

    /// From here on this is asked, and at once: a secret may have been changed because it had to be.
    pub(crate) fn ask_with(&self, settings: Settings) {
        let _it_is_over = self.0.send(settings);
    }
}
