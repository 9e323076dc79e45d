//! What `script/package` makes: installed in a bare folder, run from there, and removed again. Of the programs that the tests run, too:
//! how they are compiled for a release is no part of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use kafkavisor_tests::environment::{kafkavisor, project};
use nix::unistd::geteuid;
use tempfile::TempDir;

/// Both, in a folder of the build.
struct Packages {
    debian: PathBuf,
    tarball: PathBuf,
}

fn packages() -> &'static Packages {
    static MADE: OnceLock<Packages> = OnceLock::new();
    MADE.get_or_init(|| {
        let programs = kafkavisor().parent().unwrap().to_owned();
        let output = programs.join("packages-of-tests");
        let _left_by_another_version = fs::remove_dir_all(&output);
        let mut script = Command::new(project().join("script/package"));
        let said = succeeds(script.arg("--programs").arg(programs).arg("--output").arg(output));
        let made = |ending: &str| said.lines().find(|line| line.ends_with(ending)).expect(ending).into();
        Packages { debian: made(".deb"), tarball: made(".tar.gz") }
    })
}

/// What a command says that succeeds.
#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{stdout}{stderr}");
    stdout.into_owned()
}

/// A system in a folder, without any package.
struct Root {
    folder: TempDir,
}

impl Root {
    fn bare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Others are to read what is in there, as in any system.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let database = folder.path().join("var/lib/dpkg");
        for inner in ["info", "updates"] {
            fs::create_dir_all(database.join(inner)).unwrap();
        }
        fs::write(database.join("status"), "").unwrap();
        // For the user that is made.
        fs::create_dir(folder.path().join("etc")).unwrap();
        Self { folder }
    }

    /// Scripts run here, told which root is meant, since there is not even a shell in that one.
    fn dpkg(&self) -> Command {
        let mut command = if geteuid().is_root() {
            Command::new("dpkg")
        } else {
            let mut unshare = Command::new("unshare");
            unshare.args(["--user", "--map-root-user", "dpkg"]);
            unshare
        };
        let root = self.folder.path().display();
        command.args([&format!("--root={root}"), "--force-script-chrootless", "--force-depends"]);
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// What runs in there, with nothing of whoever runs the tests.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.path("usr/bin").join(name));
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(self.folder.path());
        command
    }
}

/// All files below a folder, from there.
fn paths(folder: &Path) -> Vec<PathBuf> {
    fn add(top: &Path, folder: &Path, all: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                add(top, &path, all);
            } else {
                all.push(path.strip_prefix(top).unwrap().to_owned());
            }
        }
    }
    let mut all = Vec::new();
    add(folder, folder, &mut all);
    all
}

/// The same, with what is in them.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| (path.clone(), fs::read(folder.join(path)).unwrap());
    paths(folder).into_iter().map(read).collect()
}

fn installed() -> Root {
    let root = Root::bare();
    succeeds(root.dpkg().arg("--install").arg(&packages().debian));
    root
}

#[test]
fn the_debian_package_is_installed_runs_and_leaves_nothing() {
    let root = installed();
    assert_eq!(succeeds(root.dpkg().args(["--verify", "kafkavisor"])), "", "all is as it was packaged");
    let users = fs::read_to_string(root.path("etc/passwd")).unwrap();
    assert!(
        users.contains("kafkavisor:") && users.contains(":/usr/sbin/nologin"),
        "the unit's user is there: {users}"
    );

    let version = succeeds(root.program("kafkavisor").arg("--version"));
    assert!(version.starts_with(concat!("kafkavisor ", env!("CARGO_PKG_VERSION"))), "{version}");
    let demo = succeeds(root.program("kafkavisor").args(["demo", "--seconds", "4"]));
    assert!(demo.contains("stopped: drained, committed"), "the worker is found beside it: {demo}");
    let handler = root.path("handler");
    fs::copy(root.path("usr/share/doc/kafkavisor/examples/handler.py"), &handler).unwrap();
    fs::set_permissions(&handler, fs::Permissions::from_mode(0o755)).unwrap();
    let example = "usr/share/doc/kafkavisor/examples/kafkavisor.yaml";
    succeeds(root.program("kafkavisor").args(["check", "-c", example]));
    fs::remove_file(handler).unwrap();

    succeeds(root.dpkg().args(["--purge", "kafkavisor"]));
    let kept = ["etc", "var/lib/dpkg", "var/log"];
    let mut left = paths(root.folder.path());
    left.retain(|path| !kept.iter().any(|kept| path.starts_with(kept)));
    assert!(left.is_empty() && !root.path("usr").exists(), "{left:?}");
}

#[test]
fn its_unit_names_what_it_installs() {
    let root = installed();
    let unit = fs::read_to_string(root.path("usr/lib/systemd/system/kafkavisor@.service")).unwrap();
    let value = |key: &str| {
        unit.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("no {key}"))
    };
    let program = value("ExecStart=").split(' ').next().unwrap();
    // Without a slash systemd looks in /usr/bin, among others.
    assert!(root.path("usr/bin").join(program).exists(), "{program}");
    let user = fs::read_to_string(root.path("usr/lib/sysusers.d/kafkavisor.conf")).unwrap();
    assert!(user.contains(&format!("\nu {} ", value("User="))), "{user}");
}

#[test]
fn bash_completes_with_what_it_installs() {
    let root = installed();
    let script = r#"
        source "$1/usr/share/bash-completion/completions/kafkavisor" || exit
        COMP_WORDS=(kafkavisor st) COMP_CWORD=1 COMP_LINE='kafkavisor st' COMP_POINT=13 COMP_TYPE=9
        complete=$(complete -p kafkavisor) && [[ $complete =~ -F\ ([^ ]+) ]] || exit
        "${BASH_REMATCH[1]}" kafkavisor st kafkavisor
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut bash = Command::new("bash");
    // It asks the program itself.
    bash.env("PATH", format!("{}:{}", root.path("usr/bin").display(), std::env::var("PATH").unwrap()));
    let said = succeeds(bash.args(["--norc", "-c", script, "bash"]).arg(root.folder.path()));
    let completed: Vec<&str> = said.split_whitespace().collect();
    assert!(completed.contains(&"status") && completed.contains(&"stop"), "{said}");
    assert!(completed.iter().all(|word| word.starts_with("st")), "{said}");
    for (path, text) in [
        ("zsh/vendor-completions/_kafkavisor", "#compdef kafkavisor"),
        ("fish/vendor_completions.d/kafkavisor.fish", "complete -c kafkavisor"),
    ] {
        assert!(fs::read_to_string(root.path("usr/share").join(path)).unwrap().contains(text), "{path}");
    }
}

#[test]
fn man_finds_its_pages() {
    let root = installed();
    for words in [
        ["1", "kafkavisor"],
        ["1", "kafkavisor-offsets-set"],
        ["1", "kafkavisor-worker"],
        ["5", "kafkavisor.yaml"],
    ] {
        let mut man = Command::new("man");
        let said = succeeds(man.args(["-P", "cat", "-M"]).arg(root.path("usr/share/man")).args(words));
        assert!(said.contains("SEE ALSO"), "{words:?}: {said}");
    }
}

#[test]
fn the_tarball_holds_the_same_and_runs_where_it_is_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar");
    succeeds(
        tar.arg("-xzf").arg(&packages().tarball).arg("--strip-components=1").arg("-C").arg(folder.path()),
    );
    let version = succeeds(Command::new(folder.path().join("bin/kafkavisor")).arg("--version"));
    assert!(version.starts_with(concat!("kafkavisor ", env!("CARGO_PKG_VERSION"))), "{version}");
    let demo = succeeds(Command::new(folder.path().join("bin/kafkavisor")).args(["demo", "--seconds", "4"]));
    assert!(demo.contains("stopped: drained, committed"), "{demo}");

    let mut unpacked = files(folder.path());
    assert!(unpacked.remove(Path::new("LICENSE")).is_some());
    let mut package = files(&installed().path("usr"));
    // A Debian package points at the licence that each Debian has.
    assert!(package.remove(Path::new("share/doc/kafkavisor/copyright")).is_some());
    assert_eq!(unpacked.keys().collect::<Vec<_>>(), package.keys().collect::<Vec<_>>());
    assert!(unpacked == package, "and each file is the same");
}

#[test]
fn no_text_in_it_holds_a_path_of_this_machine() {
    let here = [project().display().to_string(), std::env::var("HOME").unwrap() + "/"];
    for (path, bytes) in files(&installed().path("usr")) {
        // Those of a release are looked at by script/package itself.
        if !path.starts_with("bin") {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!here.iter().any(|here| text.contains(here)), "{}", path.display());
        }
    }
}
