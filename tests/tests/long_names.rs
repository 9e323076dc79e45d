//! Names as long as Kafka lets them be.

use kafkavisor_tests::checks::History;
use kafkavisor_tests::environment::{brokers, unique};
use kafkavisor_tests::instance::Builder;
use kafkavisor_tests::message::numbered;
use kafkavisor_tests::recorder::Recorder;
use kafkavisor_tests::records::Records;
use kafkavisor_tests::topic::Topic;

#[test]
fn a_topic_of_249_characters_is_consumed_and_gone_on_with_after_a_kill() {
    let name = unique("topic");
    let topic = Topic::named(&brokers(), &format!("{name}-{}", "x".repeat(248 - name.len())));
    topic.create(2, &[]);
    let records = Records::new();
    topic.produce(&numbered(2, 20));
    let instance = Builder::of(&topic).recorder(&Recorder::new(&records)).start();
    instance.wait_consumed(&topic, 2);
    instance.kill();
    topic.produce(&numbered(2, 20));
    instance.start_again();
    instance.wait_consumed(&topic, 2);
    instance.stop();
    History::of(&records, &topic).assert_nothing_lost();
}
