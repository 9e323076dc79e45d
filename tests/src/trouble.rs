//! A supervisor with real trouble, one kind a partition, for whoever looks at it: a crash loop, a poisoned partition, one that
//! hangs, one that is paused, and a member that has left. The others go on.

use serde_json::json;

use crate::instance::{Builder, Instance};
use crate::message::Message;
use crate::topic::{Flow, Topic};

/// Its handler dies before it has done anything.
pub const LOOPING: i32 = 3;
/// One message of it kills its handlers, and it is parked.
pub const PARKED: i32 = 5;
/// Its handler says nothing any more.
pub const HANGING: i32 = 7;
/// An operator has paused it.
pub const PAUSED: i32 = 9;
/// So many partitions there are.
pub const PARTITIONS: i32 = 12;

const HANDLER: &str = r#"
if [ $KAFKAVISOR_PARTITION = 3 ] && [ -e trouble ]; then
    echo "ledger.internal:5432: connection refused" >&2; exit 1
fi
while IFS= read -r line; do
    case $line in '{"type":"message",'*) ;; *) continue ;; esac
    if [ -e trouble ]; then case $KAFKAVISOR_PARTITION in
        5) case $line in *'"key":"account-81234"'*) echo "KeyError: 'total'" >&2; exit 1 ;; esac ;;
        7) echo "waiting for a lock on account 4711" >&2; exec sleep 600 ;;
    esac; fi
    offset=${line#*'"offset":'}; echo "{\"ack\":${offset%%,*}}"
done"#;

/// See the module.
#[derive(Debug)]
pub struct Trouble {
    /// The supervisor that has it.
    pub instance: Instance,
    /// Its topic.
    pub topic: Topic,
    /// The member that leaves.
    other: Instance,
    _flow: Flow,
}

impl Trouble {
    /// Two members share the topic, messages come, and everything works.
    pub fn to_come(topic: Topic, group: &str) -> Self {
        topic.create(PARTITIONS, &[]);
        let member = |number: u32| {
            Builder::of(&topic)
                .group(group)
                .name(&format!("{group}-{number}"))
                .set("handler.poison", json!({"attempts": 2, "action": "park"}))
                .set("handler.timeout", "50s")
                .set("admin.http", "127.0.0.1:0")
                .shell(HANDLER)
        };
        let flow = topic.flow(PARTITIONS);
        let (instance, other) = (member(1).start(), member(2).start());
        let half = PARTITIONS as usize / 2;
        instance.wait_ready(half);
        other.wait_ready(half);
        Self { instance, topic, other, _flow: flow }
    }

    /// Where the page of the one that stays is.
    pub fn url(&self) -> String {
        const SAID: &str = "HTTP at ";
        self.instance.wait_for_log(SAID);
        let log = self.instance.log();
        let (_, rest) = log.split_once(SAID).expect("it was waited for");
        rest.lines().next().expect("an address").to_owned()
    }

    /// As a partition is written.
    pub fn name(&self, partition: i32) -> String {
        format!("{}:{partition}", self.topic.name)
    }

    /// The other member leaves, and then each trouble begins. Gives the member's id.
    pub fn begin(&self) -> String {
        let status = self.other.wait_for("it is a member", |status| status.assignment.member.is_some());
        self.other.stop();
        self.instance.wait_ready(PARTITIONS as usize);
        std::fs::write(self.instance.folder().join("trouble"), "").expect("the file is written");
        self.topic.produce(&[Message::to(PARKED, "{}").key("account-81234")]);
        for (verb, partition) in [("pause", PAUSED), ("restart", LOOPING)] {
            let answer = self.instance.ask(verb, &[&self.name(partition)]);
            assert!(answer.status.success(), "{verb}: {answer:?}");
        }
        status.assignment.member.expect("it was waited for")
    }
}
