//! The troubles, as people are told of them: what is wrong with whom, which property or right to look at, and what to do.

#[cfg(feature = "probe")]
use super::tls::TlsTrouble;

/// What is wrong between us and a broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Who we say we are, or how we prove it.
    #[error("Kafka refuses to let us in ({said}): {}", who_are_we(.mechanism))]
    Authentication {
        /// `sasl.mechanism`.
        mechanism: String,
        /// The broker's word, or librdkafka's.
        said: String,
    },
    /// The listener has no such mechanism.
    #[error(
        "{server} does not take `kafka.sasl.mechanism` {wanted}, only {}: set one of these, or have it enabled there",
        .offered.join(", ")
    )]
    Mechanism {
        /// Host and port.
        server: String,
        /// Ours.
        wanted: String,
        /// Its own.
        offered: Vec<String>,
    },
    /// SASL to a listener that has none.
    #[error(
        "{server} wants no login (SASL): set `kafka.security.protocol` to {protocol}, or use the port of the listener that has it"
    )]
    NoSasl {
        /// Host and port.
        server: String,
        /// What would do.
        protocol: &'static str,
    },
    /// No SASL to a listener that wants it.
    #[error(
        "{server} wants a login (SASL): set `kafka.security.protocol` to {protocol}, and `kafka.sasl.mechanism` to one of {}",
        .offered.join(", ")
    )]
    SaslWanted {
        /// Host and port.
        server: String,
        /// What would do.
        protocol: &'static str,
        /// Its mechanisms.
        offered: Vec<String>,
    },
    /// Plain text to a TLS port.
    #[error(
        "{server} speaks TLS, and we spoke plain text: set `kafka.security.protocol` to {protocol}, or use the port of a plain listener"
    )]
    TlsWanted {
        /// Host and port.
        server: String,
        /// What would do.
        protocol: &'static str,
    },
    /// TLS to a plain port.
    #[error(
        "{server} speaks plain text, and we spoke TLS: use the port of its TLS listener, or set `kafka.security.protocol` to {protocol}"
    )]
    NoTls {
        /// Host and port.
        server: String,
        /// What would do.
        protocol: &'static str,
    },
    /// In the handshake of TLS.
    #[cfg(feature = "probe")]
    #[error("{trouble}: {}", remedy(.trouble))]
    Tls {
        /// Which.
        trouble: TlsTrouble,
    },
    /// ... where nobody has looked closer.
    #[error(
        "TLS with the broker fails ({said}): look at `kafka.ssl.ca.location`, at our certificate (`kafka.ssl.certificate.location`), and at the broker's"
    )]
    Handshake {
        /// librdkafka's word.
        said: String,
    },
}

impl Trouble {
    /// Whether our configuration must be changed, or a right given; else it is the broker that must be.
    pub fn is_ours(&self) -> bool {
        match self {
            #[cfg(feature = "probe")]
            Self::Tls { trouble } => match trouble {
                TlsTrouble::Expired { .. } | TlsTrouble::NotYetValid { .. } | TlsTrouble::Refused { .. } => {
                    false
                }
                TlsTrouble::WrongHost { .. }
                | TlsTrouble::UnknownCa { .. }
                | TlsTrouble::OwnExpired { .. }
                | TlsTrouble::ClientCertificateMissing { .. }
                | TlsTrouble::ClientCertificateRefused { .. }
                | TlsTrouble::NothingInCommon { .. }
                | TlsTrouble::File(_) => true,
            },
            Self::Handshake { .. } => false,
            Self::Authentication { .. }
            | Self::Mechanism { .. }
            | Self::NoSasl { .. }
            | Self::SaslWanted { .. }
            | Self::TlsWanted { .. }
            | Self::NoTls { .. } => true,
        }
    }
}

fn who_are_we(mechanism: &str) -> &'static str {
    match mechanism {
        "OAUTHBEARER" => "look at the token, `oauth.token_command` or `kafka.sasl.oauthbearer.*`",
        _ => "look at `kafka.sasl.username` and `kafka.sasl.password`",
    }
}

#[cfg(feature = "probe")]
fn remedy(trouble: &TlsTrouble) -> &'static str {
    match trouble {
        TlsTrouble::Expired { .. } => "have it renewed on the broker",
        TlsTrouble::NotYetValid { .. } => {
            "look at the clocks here and there, and at the broker's certificate"
        }
        TlsTrouble::WrongHost { .. } => {
            "name the broker in `cluster.brokers` (and it itself in its `advertised.listeners`) as its certificate does, or have that reissued; `kafka.ssl.endpoint.identification.algorithm: none` does without"
        }
        TlsTrouble::UnknownCa { .. } => {
            "set `kafka.ssl.ca.location` to the certificate of the authority that signed it"
        }
        TlsTrouble::Refused { .. } => "look at the broker's certificate and at `kafka.ssl.ca.location`",
        TlsTrouble::OwnExpired { .. } => {
            "have the one in `kafka.ssl.certificate.location` (or `ssl.keystore.location`) renewed"
        }
        TlsTrouble::ClientCertificateMissing { .. } => {
            "set `kafka.ssl.certificate.location` and `kafka.ssl.key.location` (or `ssl.keystore.location`)"
        }
        TlsTrouble::ClientCertificateRefused { .. } => {
            "set `kafka.ssl.certificate.location` to one whose authority the broker trusts, or have that added to its truststore"
        }
        TlsTrouble::NothingInCommon { .. } => {
            "look at `kafka.ssl.cipher.suites` and at the broker's `ssl.enabled.protocols`"
        }
        TlsTrouble::File(_) => "look at this file, and at the password beside it",
    }
}
