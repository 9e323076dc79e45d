//! What is read of a configuration file to try a handler: the handler, how long it may take, and who we are to Kafka.

use std::path::Path;

use super::document;
use super::draft::Draft;
use super::errors::Errors;
use super::finding::Finding;
use super::flags::Flags;
use super::handler::{self, Handler};
use super::lifecycle::{self, Restart, Stop};
use super::load::{finish_handler, root_section};
use super::reader::Section;
use super::source::{CONFIGURATION, Source};

/// A handler to try, by file and flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trying {
    /// The handler.
    pub handler: Handler,
    /// How repeats within a worker wait (`exec`).
    pub restart: Restart,
    /// How long it may take to stop.
    pub stop: Stop,
    /// Who we are to Kafka.
    pub who: Finding,
}

impl Trying {
    /// Reads `handler`, `restart`, `stop` and what [`Finding`] has of the file at `path`, if there is one, and lets `flags`
    /// win. What else it holds is checked when it is run. `check` asks the machine or a library about it. Fails with every error
    /// in them.
    pub fn load(path: Option<&Path>, flags: &Flags, check: impl FnOnce(&mut Draft)) -> Result<Self, Errors> {
        let source = path.map(Source::read).transpose()?;
        let mut draft = Draft { file: source.as_ref().map(|file| file.name.clone()), ..Draft::default() };
        let trying = Self::read(source.as_ref(), flags, &mut draft);
        if let Some(trying) = &trying {
            draft.command = Some(trying.handler.command.clone()).filter(|command| !command.is_empty());
            draft.kafka.clone_from(&trying.who.kafka);
            draft.zookeeper_tls.clone_from(&trying.who.zookeeper_tls);
            draft.token_command = trying.who.oauth.as_ref().map(|oauth| oauth.token_command.clone());
            check(&mut draft);
        }
        match trying {
            Some(trying) if draft.problems.is_empty() => Ok(trying),
            _ => Err(draft.problems.into_errors(draft.file)),
        }
    }

    fn read(source: Option<&Source>, flags: &Flags, draft: &mut Draft) -> Option<Self> {
        let given = flags.read(&mut draft.problems);
        let tree = match source.map_or(Ok(None), |file| document::parse(&file.text, CONFIGURATION)) {
            Ok(tree) => tree,
            Err((place, message)) => {
                draft.problems.at(place, message);
                return None;
            }
        };
        tree.iter().for_each(|node| draft.places.note_file(node));
        flags.note(&mut draft.places);
        let root = match &tree {
            Some(node) => root_section(node, &mut draft.problems)?,
            None => Section::default(),
        };
        let who = Finding::read(&root, draft);
        let p = &mut draft.problems;
        let handler = finish_handler(handler::read(&root, p), given.command, given.protocol, p);
        let restart = lifecycle::read_restart(&root, p);
        let stop = lifecycle::read_stop(&root, Stop::default(), p);
        Some(Self { handler, restart, stop, who })
    }
}
