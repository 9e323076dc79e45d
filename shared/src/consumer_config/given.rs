//! Options as they are given one by one, under new names and old: a value under the new name wins.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::Deprecated;
use super::option::ConsumerOption;
use super::values::Values;

/// What was given.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Given {
    pub(crate) values: Values,
    /// Each option that was given, with the value as it was written; true where that was under the old name.
    given: BTreeMap<ConsumerOption, (bool, Value)>,
    /// Old names beside new ones.
    not_used: Vec<ConsumerOption>,
}

/// Why an option is not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotSet {
    Unknown,
    Expected(ConsumerOption, String),
}

impl Given {
    /// Sets the option that `name` names, unless it is an old name and the new one was given too. The value is looked at in any case.
    pub(crate) fn set(&mut self, name: &str, value: &Value) -> Result<(), NotSet> {
        let (option, old) = ConsumerOption::named(name).ok_or(NotSet::Unknown)?;
        let mut values = self.values.clone();
        values.set(option, old, value).map_err(|expected| NotSet::Expected(option, expected))?;
        match self.given.get(&option) {
            Some((false, _)) if old => self.not_used.push(option),
            Some((true, _)) if !old => {
                self.not_used.push(option);
                self.take(option, old, value, values);
            }
            _ => self.take(option, old, value, values),
        }
        Ok(())
    }

    fn take(&mut self, option: ConsumerOption, old: bool, value: &Value, values: Values) {
        self.values = values;
        self.given.insert(option, (old, value.clone()));
    }

    /// The value that an option was given, as it was written.
    pub(crate) fn given(&self, option: ConsumerOption) -> Option<&Value> {
        self.given.get(&option).map(|(_, value)| value)
    }

    /// The old names that were given.
    pub(crate) fn deprecated(&self) -> Vec<Deprecated> {
        let used = self.given.iter().filter(|(_, (old, _))| *old).map(|(option, _)| (*option, true));
        let not_used = self.not_used.iter().map(|option| (*option, false));
        let deprecated = |(option, used): (ConsumerOption, bool)| {
            Some(Deprecated { old: option.old_name()?, new: option.name(), used })
        };
        used.chain(not_used).filter_map(deprecated).collect()
    }
}
