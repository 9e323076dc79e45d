"""One member of a group as yelp_kafka makes it: python2.7 member.py BROKERS ZOOKEEPER GROUP TOPIC RECORDS NAME

Appends what it does to the file RECORDS, as the recording handler of the tests does. Stops when its stdin ends, with a last commit (a signal would break its requests off).
With UNICODE in its environment the topic's name is a unicode string, which changes the group's folder.
"""

import json
import logging
import os
import sys
import threading

from kafka.common import ConsumerTimeout
from yelp_kafka.config import ClusterConfig, KafkaConsumerConfig
from yelp_kafka.consumer_group import KafkaConsumerGroup

brokers, zookeeper, group, topic, records, name = sys.argv[1:]
logging.basicConfig(level=logging.WARNING)
if os.environ.get('UNICODE'):
    topic = topic.decode('ascii')
stopping = threading.Event()
begun = set()
log = os.open(records, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def wait_for_the_end_of_stdin():
    sys.stdin.read()
    stopping.set()


def digest(data):
    """Short ASCII text is all that the tests give it."""
    return 'null' if data is None else '"%s"' % data


def record(partition, event):
    about = {'pid': os.getpid(), 'instance': name, 'topic': topic, 'partition': partition, 'event': event}
    os.write(log, json.dumps(about) + '\n')


def acquired(partitions):
    """Whoever owned them before has released them."""
    begun.clear()


def handle(message):
    if message.partition not in begun:
        begun.add(message.partition)
        record(message.partition, {'started': {'environment': {}}})
    content = {'key': digest(message.key), 'value': digest(message.value), 'headers': []}
    seen = {'offset': message.offset, 'timestamp': 0, 'attempt': None, 'content': content}
    record(message.partition, {'message': seen})
    record(message.partition, {'acknowledging': message.offset})


cluster = ClusterConfig(type='standard', name='local', broker_list=[brokers], zookeeper=zookeeper)
config = KafkaConsumerConfig(
    group,
    cluster,
    auto_offset_reset='smallest',
    auto_commit_interval_ms=1000,
    partitioner_cooldown=1,
    metrics_reporter=None,
    post_rebalance_callback=acquired,
)
consumer = KafkaConsumerGroup([topic], config)
consumer.start()
waiting = threading.Thread(target=wait_for_the_end_of_stdin)
waiting.daemon = True
waiting.start()
while not stopping.is_set():
    try:
        message = consumer.next()
    except ConsumerTimeout:
        continue
    handle(message)
    consumer.task_done(message)
consumer.stop()
