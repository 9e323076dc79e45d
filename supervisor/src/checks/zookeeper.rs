//! Whether the files for TLS with ZooKeeper hold what they should.

use kafkavisor::config::Draft;
use kafkavisor::ensemble::files;

/// Notes the first that does not.
pub(super) fn check(draft: &mut Draft) {
    let Some(tls) = draft.zookeeper_tls.clone() else { return };
    if let Err(error) = files(&tls).check() {
        let key = match error.key {
            // The system's were looked for, as no other was named.
            "ca" if tls.ca.is_none() => "cluster.zookeeper_tls".to_owned(),
            key => format!("cluster.zookeeper_tls.{key}"),
        };
        draft.refuse_value(&key, &format!("{} {}", error.path.display(), error.what));
    }
}
