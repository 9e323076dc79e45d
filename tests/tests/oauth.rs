//! OAUTHBEARER on a real broker: tokens of an identity provider or of a program, asked for by the supervisor alone.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use kafkavisor_tests::command::{Said, run};
use kafkavisor_tests::environment::{certificate, secure, unique};
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::processes;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// One exchange with the identity provider.
fn ask_provider(request: &str, path: &str) -> String {
    let url = secure("TOKEN_URL");
    let address = url.trim_start_matches("http://").split('/').next().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{request} {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.rsplit("\r\n\r\n").next().unwrap().to_owned()
}

fn asked(client: &str) -> u64 {
    let answer: Value =
        serde_json::from_str(&ask_provider("GET", &format!("/count?client={client}"))).unwrap();
    answer.as_u64().unwrap_or_else(|| panic!("{answer}"))
}

/// A topic that anybody may read.
fn topic(partitions: i32) -> Topic {
    let topic = Topic::on(&secure("BROKERS"), partitions);
    topic.produce(&numbered(partitions, 10));
    topic
}

/// On the listener with SASL and TLS.
fn builder(topic: &Topic, more: &Value) -> Builder {
    let mut kafka = json!({
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": certificate("ca.pem"),
        "sasl.mechanism": "OAUTHBEARER",
    });
    kafka.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let builder = Builder::of(topic).set("cluster.brokers", secure("SASL_TLS"));
    builder.set("cluster.zookeeper", secure("ZOOKEEPER")).set("kafka", kafka)
}

fn provider(client: &str, seconds: u32) -> Value {
    json!({
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": client,
        "sasl.oauthbearer.client.secret": format!("{client}-secret"),
        "sasl.oauthbearer.token.endpoint.url": format!("{}?expires_in={seconds}", secure("TOKEN_URL")),
    })
}

/// A program in `folder` that asks the provider for a token of `svc` and notes that it was asked.
fn token_program(folder: &Path, seconds: u32) -> PathBuf {
    let program = folder.join("token");
    let script = format!(
        "#!/usr/bin/env python3\n\
         import base64, json, os, time, urllib.request\n\
         here = os.path.dirname(os.path.abspath(__file__))\n\
         open(here + '/asked', 'a').write('x')\n\
         if os.path.exists(here + '/broken'):\n    raise SystemExit('the vault is sealed')\n\
         login = base64.b64encode(b'svc:svc-secret').decode()\n\
         asked = urllib.request.Request('{}?expires_in={seconds}', b'grant_type=client_credentials', {{'Authorization': 'Basic ' + login}})\n\
         token = json.load(urllib.request.urlopen(asked))\n\
         at = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + token['expires_in']))\n\
         print(json.dumps({{'token': token['access_token'], 'expires_at': at, 'principal': 'svc'}}))\n",
        secure("TOKEN_URL")
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

fn times(folder: &Path) -> usize {
    fs::read(folder.join("asked")).map_or(0, |asked| asked.len())
}

#[test]
fn the_supervisor_alone_asks_a_provider_and_again_before_a_token_expires() {
    let (topic, records) = (topic(4), Records::new());
    // Nobody else asks in this one's name.
    let before = asked("admin");
    let instance = builder(&topic, &provider("admin", 300)).recorder(&Recorder::new(&records)).start();
    let status = instance.wait_consumed(&topic, 4);
    assert_eq!(status.partitions.len(), 4);
    instance.stop();
    assert_eq!(asked("admin") - before, 1, "one instance, four workers");
}

#[test]
fn a_running_worker_shows_each_new_token() {
    let folder = tempfile::tempdir().unwrap();
    let (topic, records) = (topic(1), Records::new());
    let program = token_program(folder.path(), 5);
    let instance = builder(&topic, &json!({}))
        .set("oauth", json!({"token_command": [program]}))
        .recorder(&Recorder::new(&records))
        .start();
    let status = instance.wait_consumed(&topic, 1);
    let worker = status.partition(0).worker_pid;
    // The broker ends a session with its token unless it is shown another: a third was shown twice.
    until("it was asked four times", || (times(folder.path()) >= 4).then_some(()));
    topic.produce(&numbered(1, 10));
    let status = instance.wait_consumed(&topic, 1);
    assert_eq!(status.partition(0).worker_pid, worker, "the same worker");
    assert_eq!(status.partition(0).restarts_total, 0);
    let log = instance.log();
    assert!(!log.contains("authentication") && !log.contains("Authentication"), "{log}");
    instance.stop();
}

#[test]
fn a_program_that_fails_while_it_runs_is_said_and_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let (topic, records) = (topic(1), Records::new());
    let program = token_program(folder.path(), 10);
    let instance = builder(&topic, &json!({}))
        .set("oauth", json!({"token_command": [program]}))
        .recorder(&Recorder::new(&records))
        .start();
    let status = instance.wait_consumed(&topic, 1);
    fs::write(folder.path().join("broken"), "").unwrap();
    instance.wait_for_log("exited with status 1: the vault is sealed; the last token counts for another");
    processes::signal(status.partition(0).worker_pid.unwrap(), Signal::SIGKILL);
    instance.wait_for("it works with the last token", |status| {
        status.is_ready(1) && status.partition(0).restarts_total == 1
    });
    instance.wait_for_log("the last token has expired");
    instance.wait_for("it stands above all else", |status| {
        status
            .troubles
            .first()
            .is_some_and(|first| first.contains("the vault is sealed; the last token has expired"))
    });
    fs::remove_file(folder.path().join("broken")).unwrap();
    let often = times(folder.path());
    until("it is asked again", || (times(folder.path()) > often).then_some(()));
    topic.produce(&numbered(1, 10));
    instance.wait_consumed(&topic, 1);
    instance.wait_for("nothing is wrong any more", |status| status.troubles.is_empty());
    instance.stop();
}

/// Its configuration in a file.
fn written(builder: &Builder, folder: &Path) -> PathBuf {
    let file = folder.join("k.yaml");
    fs::write(&file, builder.text()).unwrap();
    file
}

/// What `run` says, and its exit code.
fn refused(builder: &Builder) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = written(builder, folder.path());
    let output = std::process::Command::new(kafkavisor_tests::environment::kafkavisor())
        .args(["run", "-c"])
        .arg(&file)
        .env("RUNTIME_DIRECTORY", folder.path().join("run"))
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Whoever gives no token, the exit code, and what is said.
fn without_token(topic: &Topic, folder: &Path) -> [(Builder, i32, &'static str); 7] {
    let broken = token_program(folder, 10);
    fs::write(folder.join("broken"), "").unwrap();
    let command = |words: Value| builder(topic, &json!({})).set("oauth", json!({"token_command": words}));
    let with = |key: &str, value: &str| {
        let mut properties = provider("svc", 300);
        properties[key] = json!(value);
        builder(topic, &properties).set("cluster.connect_timeout", "3s")
    };
    [
        (command(json!([broken])).set("cluster.connect_timeout", "2s"), 69, "status 1: the vault is sealed"),
        (
            command(json!(["sleep", "60"])).set("cluster.connect_timeout", "2s"),
            69,
            "(sleep) has not ended within 2.0s",
        ),
        (command(json!(["/no/such/program"])), 78, "token_command`: /no/such/program does not exist"),
        (command(json!(["echo", "a.b.c"])), 78, "has printed no token: it is no JSON object such as"),
        (
            with("sasl.oauthbearer.client.secret", "wrong"),
            78,
            "answers 401 (invalid_client): look at `kafka.sasl",
        ),
        (with("sasl.oauthbearer.token.endpoint.url", "http://127.0.0.1:1/token"), 69, "was not reached"),
        (with("sasl.oauthbearer.grant.type", "jwt-bearer"), 78, "not available: use `client_credentials`"),
    ]
}

#[test]
fn without_a_first_token_it_does_not_start_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let topic = topic(1);
    for (builder, code, words) in without_token(&topic, folder.path()) {
        let (exit, said) = refused(&builder.handler(["cat"]));
        assert!(exit == Some(code) && said.contains(words), "{exit:?}, not {code}: {said}");
        assert!(!said.contains("svc-secret"), "{said}");
    }
}

/// What a provider answers that has trouble of its own: the first time; from then on it says nothing.
fn troubled(status: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut asking = Vec::new();
        for (count, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            if count == 0 {
                let _whole = stream.read(&mut [0; 4096]).unwrap();
                write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
            asking.push(stream);
        }
    });
    address
}

#[test]
fn why_a_provider_gave_no_token_is_said_and_not_that_the_last_question_was_cut_short() {
    let topic = topic(1);
    for status in ["503 Service Unavailable", "429 Too Many Requests"] {
        let mut properties = provider("svc", 300);
        properties["sasl.oauthbearer.token.endpoint.url"] =
            json!(format!("http://{}/token", troubled(status)));
        let (exit, said) =
            refused(&builder(&topic, &properties).set("cluster.connect_timeout", "2s").handler(["cat"]));
        let number = &status[..3];
        assert!(
            exit == Some(69) && said.trim_end().ends_with(&format!("it answers {number}")),
            "{exit:?}: {said}"
        );
    }
}

#[test]
fn check_looks_for_the_program_that_prints_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let builder =
        builder(&topic(1), &json!({})).handler(["cat"]).set("oauth", json!({"token_command": ["./none"]}));
    let file = written(&builder, folder.path());
    for words in [&["check", "-c"][..], &["topics", "-b", "127.0.0.1:1", "-c"]] {
        let said = run(words.iter().copied().chain([file.to_str().unwrap()]));
        let _said = said.exits(78).saying(&["`oauth.token_command`: ./none does not exist"]);
    }
}

/// A command of somebody at this file, on the listener that wants a token.
fn command(words: &[&str], file: &Path, more: &[&str]) -> Said {
    let (brokers, file) = (secure("SASL_TLS"), file.display().to_string());
    run(words.iter().chain(&["-b", &brokers, "-c", &file]).chain(more))
}

#[test]
fn commands_show_a_token_of_a_provider_or_of_a_program() {
    let (topic, group) = (topic(2), unique("group"));
    let folder = tempfile::tempdir().unwrap();
    let program = json!({"token_command": [token_program(folder.path(), 300)]});
    for login in
        [builder(&topic, &provider("svc", 300)), builder(&topic, &json!({})).set("oauth", program.clone())]
    {
        let file = written(&login, folder.path());
        let saved = folder.path().join("saved").display().to_string();
        let of_group = |words: &[&str], more: &[&str]| {
            command(words, &file, &[&["-g", &group][..], more].concat()).exits(0).json()
        };
        let first = format!("{}:0=4", topic.name);
        let whole = ["-t", topic.name.as_str(), "--json"];
        let set = of_group(&["offsets", "set"], &[&first, "--json"]);
        assert_eq!(set[0]["after"], 4, "{set}");
        assert_eq!(of_group(&["offsets", "get"], &whole)[0]["committed"], 4);
        assert_eq!(of_group(&["lag"], &whole)[0]["lag"], 1);
        let _done = command(&["offsets", "save"], &file, &["-g", &group, &saved]).exits(0);
        assert_eq!(of_group(&["offsets", "advance"], &whole)[0]["after"], 5);
        assert_eq!(of_group(&["offsets", "restore"], &[&saved, "--json"])[0]["after"], 4);
        assert_eq!(of_group(&["offsets", "rewind"], &whole)[0]["after"], 0);
        assert_eq!(of_group(&["members"], &whole)["members"], json!([]));
        let topics = command(&["topics"], &file, &[&topic.name, "--json"]).exits(0).json();
        assert_eq!(topics[0]["partitions"], 2, "{topics}");
        let asked = times(folder.path());
        assert!(asked == 0 || asked == 9, "each asks once: {asked}");
    }
}

#[test]
fn commands_say_why_there_is_no_token_as_the_start_does() {
    let folder = tempfile::tempdir().unwrap();
    let topic = topic(1);
    for (builder, code, words) in without_token(&topic, folder.path()) {
        if code == 69 && !words.contains("not reached") {
            continue; // They take 10 s each: one will do.
        }
        let file = written(&builder, folder.path());
        for said in [command(&["lag"], &file, &["-g", "g"]), command(&["topics"], &file, &[])] {
            let said = said.exits(code).saying(&[words]);
            assert!(!said.err.contains("svc-secret"), "{said:?}");
        }
    }
    let file = written(&builder(&topic, &json!({"no.such": 1})), folder.path());
    let _said = command(&["members"], &file, &["-g", "g"]).exits(78).saying(&["k.yaml:", "`kafka.no.such`"]);
}
