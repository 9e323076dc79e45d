//! Where tokens come from.

use std::time::Duration;

use kafkavisor::clock::wall_millis;
use kafkavisor::config::{KafkaProperties, OAuth};
use kafkavisor::text;
use kafkavisor::token::Token;
use kafkavisor_link::process::Exit;
use tokio::runtime::Runtime;

use super::oidc::{Oidc, OidcError, Refused};
use super::token::{NoToken, printed};
use crate::processes::programs::{ProgramError, run};

/// Whom to ask.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum TokenSource {
    /// A program and its arguments.
    Command(Vec<String>),
    /// An identity provider.
    Oidc(Oidc),
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("`oauth.token_command` ({program}) {error}")]
    Program { program: String, error: ProgramError },
    #[error("`oauth.token_command` ({program}) {exit}{stderr}")]
    Failed { program: String, exit: Exit, stderr: String },
    #[error("`oauth.token_command` ({program}) has printed no token: {error}")]
    Printed { program: String, error: NoToken },
    #[error("no async runtime to ask for a token: {0}")]
    Runtime(std::io::Error),
    #[error("no token from {endpoint}: {error}")]
    Oidc { endpoint: String, error: OidcError },
}

impl TokenSource {
    /// None where Kafka wants no tokens.
    pub(crate) fn of(kafka: &KafkaProperties, oauth: Option<&OAuth>) -> Result<Option<Self>, Refused> {
        match oauth {
            Some(oauth) => Ok(Some(Self::Command(oauth.token_command.clone()))),
            None => Ok(Oidc::of(kafka)?.map(Self::Oidc)),
        }
    }

    /// Asks for one; it blocks for `within` at most.
    pub(crate) fn ask(&self, runtime: &Runtime, within: Duration) -> Result<Token, TokenError> {
        match self {
            Self::Command(words) => command(words, within),
            Self::Oidc(oidc) => runtime
                .block_on(oidc.ask(within, wall_millis()))
                .map_err(|error| TokenError::Oidc { endpoint: oidc.endpoint().into_owned(), error }),
        }
    }
}

fn command(words: &[String], within: Duration) -> Result<Token, TokenError> {
    let program = words.first().cloned().unwrap_or_default();
    let done = match run(words, within) {
        Ok(done) => done,
        Err(error) => return Err(TokenError::Program { program, error }),
    };
    if done.exit != Exit::Status(0) {
        let stderr = String::from_utf8_lossy(&done.stderr);
        let last = stderr.trim_end().lines().next_back().map(|line| format!(": {}", text::shown(line)));
        return Err(TokenError::Failed { program, exit: done.exit, stderr: last.unwrap_or_default() });
    }
    printed(&done.stdout, wall_millis()).map_err(|error| TokenError::Printed { program, error })
}

impl TokenError {
    /// Whether whoever is asked may only not be there yet, and nothing needs to be written otherwise.
    pub(crate) fn may_come(&self) -> bool {
        match self {
            Self::Oidc { error, .. } => error.may_come(),
            Self::Program { error, .. } => matches!(error, ProgramError::TooLate(_)),
            Self::Failed { .. } => true,
            Self::Runtime(_) | Self::Printed { .. } => false,
        }
    }

    /// Whether there was no answer in time.
    pub(super) fn is_too_late(&self) -> bool {
        matches!(
            self,
            Self::Oidc { error: OidcError::TooLate(_), .. }
                | Self::Program { error: ProgramError::TooLate(_), .. }
        )
    }
}
