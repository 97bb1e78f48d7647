//! Managed identities: the machine's metadata service, or App Service's endpoint, vouches for this program. Both speak
//! HTTP without TLS, on this machine or its own link, and never through a proxy.

use std::sync::Arc;

use super::grant::escape;
use super::{Asking, Denied, Granted};
use crate::backend::remote::{Client, Endpoint, Repeat, Request, Token, Trust};
use crate::config::{ManagedIdentity, PlainAddress};

/// A token for the resource of the challenge.
pub(super) fn ask(asking: &Asking<'_>, from: &ManagedIdentity, client_id: Option<&str>) -> Result<Token, Denied> {
    let (address, version, header) = match from {
        ManagedIdentity::Imds(base) => {
            (format!("{base}/metadata/identity/oauth2/token"), "2018-02-01", ("Metadata", "true"))
        }
        ManagedIdentity::AppService(endpoint, secret) => {
            (endpoint.clone(), "2019-08-01", ("X-IDENTITY-HEADER", secret.expose()))
        }
    };
    let PlainAddress { host, port, path: mut target } = PlainAddress::parse(&address).map_err(Denied::Refused)?;
    let endpoint = Endpoint::without_tls(&host, port);
    let separator = if target.contains('?') { '&' } else { '?' };
    target.push_str(&format!("{separator}api-version={version}&resource="));
    escape(&asking.challenge.resource, &mut target);
    if let Some(client_id) = client_id {
        target.push_str("&client_id=");
        escape(client_id, &mut target);
    }
    let trust = Arc::new(Trust::of_authority(&asking.config.remote, true));
    let client = Client::new(vec![endpoint], trust, Arc::clone(asking.resolver), asking.config.remote.timeout);
    let request = Request { method: "GET", target: &target, headers: &[header], bearer: None, body: None };
    let response = client.send(&request, Repeat::Safe, asking.budget)?;
    match response.status {
        200 => serde_json::from_slice::<Granted>(&response.body)
            .map_err(|_| Denied::Invalid(format!("{address} answered a request for a token with something else")))
            .and_then(Granted::token),
        status @ 400..=499 => Err(Denied::Refused(format!(
            "{address} gives no token (it answered {status}{}): check that this machine or service has a managed identity, \
             and `client_id` if it has several",
            reason(&response.body)
        ))),
        status => {
            Err(Denied::Unreachable(format!("{address} answered a request for a token with {status}: try again later")))
        }
    }
}

fn reason(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = ["error_description", "message", "error"].iter().find_map(|name| value.get(name)?.as_str());
    text.and_then(|text| text.lines().next())
        .map(|line| format!(": {}", line.trim_end_matches('.')))
        .unwrap_or_default()
}
