//! The examples in `config/` for protected clusters: each consumes from a real one once names and places in it are replaced.

use std::fs;
use std::path::Path;

use kafkavisor_tests::environment::{certificate, project, secure, unique};
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use serde_json::json;
use tempfile::TempDir;

/// What the examples say, and what stands there on this machine.
struct Example {
    text: String,
    folder: TempDir,
    topic: Topic,
    _records: Records,
}

impl Example {
    fn read(file: &str) -> Self {
        let path = project().join("config").join(file);
        let text = fs::read_to_string(path).unwrap();
        let topic = Topic::on(&secure("BROKERS"), 2);
        topic.produce(&numbered(2, 20));
        let (folder, records) = (tempfile::tempdir().unwrap(), Records::new());
        let handler = serde_json::to_string(&Recorder::new(&records).command()).unwrap();
        let text = text
            .replace("/etc/kafkavisor", &folder.path().display().to_string())
            .replace("[orders]", &format!("[{}]", topic.name))
            .replace("[/usr/local/bin/billing]", &handler)
            .replace("services.billing", &unique("group"));
        Self { text, folder, topic, _records: records }
    }

    /// With these words in place of others, which are there.
    fn with(self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "{from:?} is not in\n{}", self.text);
        Self { text: self.text.replace(from, to), ..self }
    }

    /// Without lines that begin so.
    fn without(self, key: &str) -> Self {
        let lines = self.text.lines().filter(|line| !line.trim_start().starts_with(key));
        Self { text: lines.collect::<Vec<_>>().join("\n"), ..self }
    }

    /// A certificate or key of the cluster's under the name that the example has for it.
    fn copies(self, from: &str, to: &str) -> Self {
        fs::copy(certificate(from), self.folder.path().join(to)).unwrap();
        self
    }

    fn holds(self, file: &str, secret: &str) -> Self {
        fs::write(self.folder.path().join(file), format!("{secret}\n")).unwrap();
        self
    }

    fn start(&self, variables: &[(&str, &str)]) -> Instance {
        let path = self.folder.path().join("example.yaml");
        // A new group begins at the latest message unless told otherwise.
        fs::write(&path, format!("{}\noffsets: {{reset: earliest}}\n", self.text)).unwrap();
        let run = ["run", "-c", path.to_str().unwrap()];
        let builder = Builder::configured(json!({"group": "of the example"})).arguments(run);
        variables.iter().fold(builder, |builder, (name, value)| builder.variable(name, *value)).start()
    }

    fn consumes(&self, variables: &[(&str, &str)]) {
        let instance = self.start(variables);
        instance.wait_consumed(&self.topic, 2);
        instance.stop();
    }
}

#[test]
fn a_cluster_of_ones_own_with_scram() {
    let example = Example::read("secure-scram.yaml")
        .with("[kafka-1.example.com:9093, kafka-2.example.com:9093]", &format!("[{}]", secure("SASL_TLS")))
        .with("zookeeper-1.example.com:2281,zookeeper-2.example.com:2281", &secure("ZOOKEEPER_TLS"))
        .with("username: billing", "username: svc")
        .copies("ca.pem", "ca.pem")
        .copies("svc.pem", "billing.pem")
        .copies("svc.key", "billing.key")
        .holds("zookeeper-password", "svc-secret")
        .holds("kafka-password", "svc-secret");
    example.consumes(&[]);
}

#[test]
fn a_cluster_with_mutual_tls() {
    let brokers = format!("[{}]", secure("MUTUAL_TLS"));
    let example = Example::read("secure-mutual-tls.yaml")
        .with("[kafka-1.example.com:9094, kafka-2.example.com:9094]", &brokers)
        .with("zookeeper-1.example.com:2181", &secure("ZOOKEEPER"))
        .copies("ca.pem", "ca.pem")
        .copies("svc.pem", "billing.pem")
        .copies("svc-encrypted.key", "billing.key")
        .holds("key-password", "svc-secret");
    example.consumes(&[]);
}

/// The test's cluster has an authority of its own.
fn hosted() -> Example {
    let own = format!("ssl.ca.location: {}\n  sasl.mechanism:", certificate("ca.pem").display());
    Example::read("secure-oauthbearer.yaml")
        .with("bootstrap.kafka.example.com:9092", &secure("SASL_TLS"))
        .with("zookeeper-1.example.com:2181", &secure("ZOOKEEPER"))
        .with("sasl.mechanism:", &own)
}

#[test]
fn a_hosted_one_with_oauthbearer() {
    let example = hosted()
        .with("https://login.example.com/oauth2/token", &secure("TOKEN_URL"))
        .with("client.id: billing", "client.id: svc");
    example.consumes(&[("BILLING_CLIENT_SECRET", "svc-secret")]);
}

#[test]
fn a_hosted_one_with_a_program_that_prints_tokens() {
    let example = hosted().with("# oauth:", "oauth:").without("sasl.oauthbearer.");
    let program = example.folder.path().join("token");
    fs::write(&program, TOKEN.replace("URL", &secure("TOKEN_URL"))).unwrap();
    make_executable(&program);
    let program = program.display().to_string();
    example.with("/usr/local/bin/kafka-token", &program).consumes(&[]);
}

const TOKEN: &str = r"#!/usr/bin/env python3
import base64, json, time, urllib.request
login = base64.b64encode(b'svc:svc-secret').decode()
asked = urllib.request.Request('URL', b'grant_type=client_credentials', {'Authorization': 'Basic ' + login})
token = json.load(urllib.request.urlopen(asked))
at = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + token['expires_in']))
print(json.dumps({'token': token['access_token'], 'expires_at': at, 'principal': 'svc'}))
";

fn make_executable(program: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
}
