//! What the configuration takes, what it refuses, and where it points.

mod loads;
