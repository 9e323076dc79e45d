//! The command line: what there is, with examples. Completions and the manual are made from these definitions.

mod commands;
mod complete;
mod configured;
mod dead_letters;
mod demo;
mod discovery;
mod group;
mod instance;
mod manual;
mod repeated;
mod trial;

pub(crate) use commands::{Cli, Command};
pub(crate) use complete::CompleteArgs;
pub(crate) use configured::{CheckArgs, RunArgs};
pub(crate) use dead_letters::{
    Begin, DeadLettersCommand, DeadTopicArgs, DiscardArgs, FilterArgs, LettersArgs, Origin, Place, Rate,
    RedriveArgs,
};
pub(crate) use demo::DemoArgs;
pub(crate) use discovery::{ClustersArgs, LogsArgs, TopicsArgs, WhereArgs, WhichClusterArgs};
pub(crate) use group::{
    ChangeArgs, GroupArgs, LookArgs, MembersArgs, OffsetsCommand, RestoreArgs, SaveArgs, SetArgs, To,
    WholeTopicsArgs,
};
pub(crate) use instance::{
    EventsArgs, LogLevelArgs, SeekArgs, SelectArgs, SkipArgs, StatusArgs, StopArgs, WhichArgs,
};
pub(crate) use manual::ManArgs;
pub(crate) use repeated::repeatable;
pub(crate) use trial::{Begin as TryBegin, Injection, TryArgs};
