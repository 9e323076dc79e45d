//! The status page of a worker that is tried: a file that is gone from its folder, and the folder with it, before anybody works, so
//! that nothing is left however this process ends. The worker opens it through our descriptor.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;

use kafkavisor::clock::Boottime;
use kafkavisor::ids::Offset;
use kafkavisor_link::page::{Lease, Page};

use crate::exit::Failure;

/// A page that workers share one after the other.
pub(super) struct Place {
    pub(super) page: Page,
    file: File,
}

impl Place {
    /// A new one, which begins at `begin`.
    pub(super) fn new(begin: Offset) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::configuration(format!("no status page can be made in {}: {error}", folder().display()))
        };
        let folder = Folder::make().map_err(|error| failed(&error))?;
        let path = folder.0.join("page");
        let page = Page::create(&path, "kafkavisor try", begin).map_err(|error| failed(&error))?;
        let file = File::open(&path).map_err(|error| failed(&error))?;
        // As with static assignment: it ends with us, for a worker lives no longer than its socket.
        page.set_lease(Lease::from_evidence(Boottime::now(), Duration::MAX));
        Ok(Self { page, file })
    }

    /// Where its worker finds it.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()))
    }

    /// Behind what was acknowledged.
    pub(super) fn acknowledged(&self) -> Offset {
        Offset(self.page.progress().acknowledged)
    }

    /// What is acknowledged counts as committed: a worker does not wait for that.
    pub(super) fn commit_nothing(&self) {
        self.page.set_committed(self.acknowledged());
    }
}

fn folder() -> PathBuf {
    std::env::temp_dir()
}

/// A private folder, gone with this.
struct Folder(PathBuf);

impl Folder {
    fn make() -> io::Result<Self> {
        let random = fastrand::u64(..);
        let path = folder().join(format!("kafkavisor-try-{}-{random:016x}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone_or_not = fs::remove_dir_all(&self.0);
    }
}
