//! E-mail. The Message-ID is the message's own id, so that a mail which was delivered twice is recognised as one by most programs;
//! SMTP itself cannot promise "exactly once". All mails of a ticket form one thread.

use super::channel::{ChannelError, DeliverError};
use super::{secret, text};
use crate::records::{Delivery, Outgoing};
use lettre::message::header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message as Mail, Tokio1Executor};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Settings of a channel of type `smtp`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    /// The server's name.
    pub server: String,
    /// Its port; 587 with STARTTLS, 465 with TLS, 25 without.
    pub port: Option<u16>,
    /// `starttls`, `tls`, or `none` to this very machine.
    #[serde(default)]
    pub security: Security,
    /// Certificates to believe instead of the machine's.
    pub ca_file: Option<PathBuf>,
    /// The name to log in with.
    pub user: Option<String>,
    /// A file with its password.
    pub password_file: Option<PathBuf>,
    /// The sender.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// STARTTLS, or nothing is sent.
    #[default]
    Starttls,
    /// TLS from the beginning.
    Tls,
    /// None: to this very machine only.
    None,
}

/// The channel.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Smtp {
    pub(super) fn open(channel: &str, settings: &SmtpSettings) -> Result<Self, ChannelError> {
        let refuse = |why: String| ChannelError::Setting { channel: channel.to_owned(), why };
        let mailbox =
            |text: &String| text.parse::<Mailbox>().map_err(|error| refuse(format!("{text:?}: {error}")));
        let to: Vec<Mailbox> = settings.to.iter().map(mailbox).collect::<Result<_, _>>()?;
        if to.is_empty() {
            return Err(refuse("`to` names nobody".to_owned()));
        }
        let local = matches!(settings.server.as_str(), "localhost" | "127.0.0.1" | "::1");
        if settings.security == Security::None && (!local || settings.user.is_some()) {
            return Err(refuse(
                "without TLS only mail to localhost is sent, and without a password".to_owned(),
            ));
        }
        let (tls, port) = match settings.security {
            Security::None => (Tls::None, 25),
            Security::Starttls => (Tls::Required(parameters(channel, settings)?), 587),
            Security::Tls => (Tls::Wrapper(parameters(channel, settings)?), 465),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.server)
            .port(settings.port.unwrap_or(port))
            .tls(tls)
            .timeout(Some(TIMEOUT));
        match (&settings.user, &settings.password_file) {
            (Some(user), Some(path)) => {
                let password = secret::read(path)
                    .map_err(|error| ChannelError::Secret { channel: channel.to_owned(), error })?;
                builder = builder.credentials(Credentials::new(user.clone(), password.as_str().to_owned()));
            }
            (None, None) => {}
            _ => return Err(refuse("`user` and `password_file` belong together".to_owned())),
        }
        Ok(Self { transport: builder.build(), from: mailbox(&settings.from)?, to })
    }

    pub(super) async fn deliver(&self, outgoing: &Outgoing) -> Result<Delivery, DeliverError> {
        let id = self.message_id(&outgoing.id);
        let mail = self.mail(outgoing, &id).map_err(|error| DeliverError::Refused { error })?;
        match self.transport.send(mail).await {
            Ok(answer) => {
                let said = answer.message().collect::<Vec<_>>().join(" ");
                Ok(Delivery { receipt: Some(text::one_line(&format!("{id} {said}"), 300)), confirmed: false })
            }
            // 5xx is about this mail or these people.
            Err(error) if error.is_permanent() => Err(DeliverError::Refused { error: causes(&error) }),
            Err(error) => Err(DeliverError::Later { error: causes(&error), after_secs: None }),
        }
    }

    fn mail(&self, outgoing: &Outgoing, id: &str) -> Result<Mail, String> {
        let message = &outgoing.message;
        let mut builder: MessageBuilder = Mail::builder().from(self.from.clone());
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        // The thread hangs on a name that no mail has: its first mail may be lost or filtered.
        let thread = self.message_id(&format!("{}.thread", message.ticket));
        let header = |name| HeaderName::new_from_ascii_str(name);
        builder
            .subject(text::subject(message))
            .message_id(Some(id.to_owned()))
            .in_reply_to(thread.clone())
            .references(thread)
            // Without it a reader need not take notice of how the text is encoded.
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            .raw_header(HeaderValue::new(header("Auto-Submitted"), "auto-generated".to_owned()))
            .raw_header(HeaderValue::new(header("X-Vow-Ticket"), message.ticket.clone()))
            .body(text::plain(message))
            .map_err(|error| error.to_string())
    }

    fn message_id(&self, id: &str) -> String {
        format!("<{id}@{}>", self.from.email.domain())
    }
}

fn parameters(channel: &str, settings: &SmtpSettings) -> Result<TlsParameters, ChannelError> {
    let refuse = |why: String| ChannelError::Setting { channel: channel.to_owned(), why };
    let mut builder = TlsParameters::builder(settings.server.clone());
    if let Some(path) = &settings.ca_file {
        let pem = std::fs::read(path).map_err(|error| refuse(format!("{}: {error}", path.display())))?;
        let certificate =
            Certificate::from_pem(&pem).map_err(|error| refuse(format!("{}: {error}", path.display())))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|error| refuse(error.to_string()))
}

/// An error with what caused it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text += &format!(": {said}");
        }
        cause = next.source();
    }
    text::one_line(&text, 500)
}
