//! The examples for Kubernetes and PaaSTA: as their schemas want them, true to the configuration that they name, and with checks that
//! a supervisor answers which was started as they say.

use std::fs;
use std::path::Path;

use kafkavisor_tests::command;
use kafkavisor_tests::environment::{manifests_python, project, unique, zookeeper};
use kafkavisor_tests::instance::{Builder, Instance};
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;
use kafkavisor_tests::waiting::until;
use kafkavisor_tests::web;
use serde_json::{Value, json};

/// The documents of an example, once each is as those who read it want it: `kubernetes`, or `paasta/` and one of PaaSTA's schemas.
fn documents(kind: &str, file: &str) -> Vec<Value> {
    let script = project().join("tests/fixtures/manifests.py");
    let mut python = std::process::Command::new(manifests_python());
    let output = python.arg(script).arg(kind).arg(project().join("config").join(file)).output().unwrap();
    assert!(output.status.success(), "{file}, {kind}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Seconds of a duration as it is shown resolved.
fn seconds(duration: &Value) -> u64 {
    let text = duration.as_str().unwrap();
    text.strip_suffix('s').and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

/// That it answers there as it does when all is well.
fn answers(instance: &Instance, path: &str) {
    let address = web::address_of(instance);
    let answer = until(path, || Some(web::get(address, path)).filter(|answer| answer.code != 503));
    assert_eq!(answer.code, 200, "{path}: {answer:?}");
}

/// A topic with messages, and what reads it.
struct Scene {
    topic: Topic,
    records: Records,
}

impl Scene {
    fn new() -> Self {
        let topic = Topic::new(2);
        topic.produce(&numbered(2, 20));
        Self { topic, records: Records::new() }
    }

    fn handler(&self) -> Vec<String> {
        Recorder::new(&self.records).command()
    }
}

#[test]
fn kubernetes_has_its_configuration_its_ports_and_its_probes_answered() {
    let [map, deployment] = documents("kubernetes", "kubernetes.yaml").try_into().expect("two documents");
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(
        deployment["spec"]["selector"]["matchLabels"],
        deployment["spec"]["template"]["metadata"]["labels"]
    );

    // The file that is named is in the map that is mounted, and the runtime directory in memory.
    let mounted = |path: &str| {
        let mounts = container["volumeMounts"].as_array().unwrap();
        let mount = mounts
            .iter()
            .find(|mount| Path::new(path).starts_with(mount["mountPath"].as_str().unwrap()))
            .unwrap();
        let volumes = pod["volumes"].as_array().unwrap();
        volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap()
    };
    let file = container["args"][2].as_str().unwrap();
    assert_eq!(container["args"], json!(["run", "-c", file]));
    assert_eq!(mounted(file)["configMap"]["name"], map["metadata"]["name"]);
    let text = map["data"][Path::new(file).file_name().unwrap().to_str().unwrap()].as_str().unwrap();
    assert_eq!(container["env"][0]["name"], "RUNTIME_DIRECTORY");
    assert_eq!(mounted(container["env"][0]["value"].as_str().unwrap())["emptyDir"]["medium"], "Memory");
    let dockerfile = fs::read_to_string(project().join("config/Dockerfile")).unwrap();
    let user = &pod["securityContext"]["runAsUser"];
    assert!(dockerfile.contains(&format!("\nUSER {user}:")), "the image's user is {user}");

    // Times and ports fit what it resolves to.
    let scene = Scene::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kafkavisor.yaml");
    let text = text.replace("[/usr/local/bin/billing]", &serde_json::to_string(&scene.handler()).unwrap());
    fs::write(&path, &text).unwrap();
    let resolved =
        command::run(["check".as_ref(), "-c".as_ref(), path.as_os_str(), "--json".as_ref()]).exits(0).json();
    let drain = 2 * seconds(&resolved["stop"]["timeout"]);
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > drain);
    let startup = &container["startupProbe"];
    let patience = startup["periodSeconds"].as_u64().unwrap() * startup["failureThreshold"].as_u64().unwrap();
    assert!(patience > 2 * seconds(&resolved["cluster"]["connect_timeout"]));
    let port = &container["ports"][0];
    assert_eq!(resolved["admin"]["http"], format!("0.0.0.0:{}", port["containerPort"]));

    let text = text
        .replace("[orders]", &format!("[{}]", scene.topic.name))
        .replace("kafka:9092", &scene.topic.brokers)
        .replace("zookeeper:2181/kafka", &zookeeper())
        .replace("services.billing", &unique("group"))
        .replace("0.0.0.0:9464", "127.0.0.1:0");
    fs::write(&path, format!("{text}offsets: {{reset: earliest}}\n")).unwrap();
    let run = ["run", "-c", path.to_str().unwrap()];
    let instance = Builder::configured(json!({"group": "of the example"})).arguments(run).start();
    instance.wait_consumed(&scene.topic, 2);
    for (probe, path) in
        [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
    {
        let get = &container[probe]["httpGet"];
        assert_eq!((&get["path"], &get["port"]), (&json!(path), &port["name"]), "{probe}");
        answers(&instance, path);
    }
    instance.stop();
}

#[test]
fn paasta_runs_its_command_and_has_its_check_answered() {
    let [file] = documents("paasta/kubernetes", "paasta.yaml").try_into().expect("one document");
    assert_eq!(documents("paasta/eks", "paasta.yaml"), std::slice::from_ref(&file));
    let main = &file["main"];
    let [smartstack] =
        documents("paasta/smartstack", "paasta-smartstack.yaml").try_into().expect("one document");
    let grace = main["lifecycle"]["termination_grace_period_seconds"].as_u64().unwrap();
    assert!(grace > 20, "more than twice stop.timeout, which is 10 s");
    assert!(
        main["healthcheck_grace_period_seconds"].as_u64().unwrap() > 20,
        "and than cluster.connect_timeout"
    );
    assert_eq!(
        (&main["healthcheck_mode"], &smartstack["main"]["healthcheck_mode"]),
        (&json!("http"), &json!("http"))
    );

    let scene = Scene::new();
    // As PaaSTA hands it over: to `sh -c`, the port in a variable; any one will do here.
    let line = main["cmd"].as_str().unwrap().replace("/etc/kafkavisor/", "");
    let script = format!("export PAASTA_PORT=0 PATH=\"$(dirname \"$1\"):$PATH\"\n{line}");
    let instance = Builder::of(&scene.topic).handler(scene.handler()).under(&script).start();
    instance.wait_consumed(&scene.topic, 2);
    let program = fs::read_link(format!("/proc/{}/exe", instance.pid())).unwrap();
    assert!(program.ends_with("kafkavisor"), "no shell is in front of it: {}", program.display());
    assert_eq!(web::address_of(&instance).ip().to_string(), "0.0.0.0", "the kubelet asks from outside");
    for (check, path) in
        [(&main["healthcheck_uri"], "/healthz"), (&smartstack["main"]["healthcheck_uri"], "/readyz")]
    {
        assert_eq!(check, path);
        answers(&instance, path);
    }
    instance.stop();
}
