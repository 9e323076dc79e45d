//! What commands read of a configuration file that need no more of it than whom to ask, and who we are to them.

use super::discovery::{self, Discovery};
use super::document;
use super::draft::Draft;
use super::errors::Errors;
use super::load::root_section;
use super::properties::KafkaProperties;
use super::reader::Section;
use super::security::{self, Identity, OAuth, ZookeeperAuth, ZookeeperTls};
use super::source::{CONFIGURATION, Source};
use super::{cluster, consumer, kafka};

/// What a configuration file says about finding clusters, and about who we are to them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Finding {
    /// Whom to ask.
    pub discovery: Discovery,
    /// Properties for librdkafka, by name.
    pub kafka: KafkaProperties,
    /// Where tokens come from, if not from an identity provider that librdkafka's properties name.
    pub oauth: Option<OAuth>,
    /// Who we are to ZooKeeper.
    pub zookeeper_auth: Option<ZookeeperAuth>,
    /// How ZooKeeper is spoken to over TLS.
    pub zookeeper_tls: Option<ZookeeperTls>,
}

impl Finding {
    /// Reads `discovery`, `kafka`, `oauth`, `consumer`, and of `cluster` who we are to ZooKeeper; what else `file` holds is checked
    /// when it is run. `check` asks the machine or a library about it. Fails with every error in them.
    pub fn load(file: &Source, check: impl FnOnce(&mut Draft)) -> Result<Self, Errors> {
        let mut draft = Draft { file: Some(file.name.clone()), ..Draft::default() };
        let mut finding = None;
        match document::parse(&file.text, CONFIGURATION) {
            Ok(tree) => {
                tree.iter().for_each(|node| draft.places.note_file(node));
                let root = tree
                    .as_ref()
                    .map_or(Some(Section::default()), |node| root_section(node, &mut draft.problems));
                finding = root.map(|root| Self::read(&root, &mut draft));
            }
            Err((place, message)) => draft.problems.at(place, message),
        }
        if let Some(finding) = &finding {
            draft.kafka.clone_from(&finding.kafka);
            draft.zookeeper_tls.clone_from(&finding.zookeeper_tls);
            draft.token_command = finding.oauth.as_ref().map(|oauth| oauth.token_command.clone());
            check(&mut draft);
        }
        match finding {
            Some(finding) if draft.problems.is_empty() => Ok(finding),
            _ => Err(draft.problems.into_errors(draft.file)),
        }
    }

    /// Who we are to Kafka and to ZooKeeper.
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            kafka: &self.kafka,
            oauth: self.oauth.as_ref(),
            zookeeper_auth: self.zookeeper_auth.as_ref(),
            zookeeper_tls: self.zookeeper_tls.as_ref(),
            signalfx_token: None,
        }
    }

    pub(super) fn read(root: &Section<'_>, draft: &mut Draft) -> Self {
        let p = &mut draft.problems;
        let discovery = discovery::read(root, p);
        let kafka = kafka::read(root, p);
        let oauth = security::read_oauth(root, &kafka, p);
        draft.security_refused = kafka.security_refused;
        let mut kafka = kafka.properties;
        if let Some(consumer) = consumer::read(root, p) {
            consumer.add_properties(&mut kafka);
        }
        let (zookeeper_auth, zookeeper_tls) = cluster::read_security(root, p);
        Self { discovery, kafka, oauth, zookeeper_auth, zookeeper_tls }
    }
}
