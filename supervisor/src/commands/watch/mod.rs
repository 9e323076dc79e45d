//! `kafkavisor status --watch` on a terminal.
//!
//! | module | for |
//! |---|---|
//! | [`view`], [`order`], [`keys`] | what is shown of what is known, and what keys do: pure |
//! | [`rates`] | messages a second, of two looks |
//! | [`draw`] | the view on a screen |
//! | [`asking`] | a thread that asks the supervisor |
//! | [`screen`] | the terminal: taken, drawn on, given back |

mod asking;
mod draw;
mod keys;
mod order;
mod rates;
mod screen;
#[cfg(test)]
mod tests;
mod view;

pub(super) use screen::run;
