//! A folder with the files that discovery looks at, in place of those below `/nail`.

use std::path::Path;

use kafkavisor::discovery::{Discovery, Settings};
use tempfile::TempDir;

pub(crate) struct Place(TempDir);

impl Place {
    /// Without any file.
    pub(crate) fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// In the region and superregion of the stand-in.
    pub(crate) fn of_the_stand_in() -> Self {
        let place = Self::empty();
        place
            .write("region", "acceptance_test_region\n")
            .write("superregion", "acceptance_test_superregion\n");
        place
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> &Self {
        let file = self.0.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Looks here, and nowhere else.
    pub(crate) fn settings(&self, url: Option<&str>) -> Settings {
        let path = |name: &str| self.0.path().join(name);
        Settings {
            url: url.map(str::to_owned),
            services: path("services.yaml"),
            topology: vec![path("topology"), path("more-topology")],
            region: path("region"),
            superregion: path("superregion"),
            ..Settings::default()
        }
    }

    pub(crate) fn discovery(&self, url: Option<&str>) -> Discovery {
        Discovery::with(self.settings(url), "my-client-id")
    }
}
