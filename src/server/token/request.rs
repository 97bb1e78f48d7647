//! What a client posts to the token endpoint: a form (RFC 6749 §4.4.2), with its proof of who it is in the form or in an
//! `Authorization` header (§2.3.1).

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::TokenError;
use crate::server::issuers::ForeignToken;

/// How a client says that its proof is a JWT (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A request for a token, whose parts are there.
pub struct TokenRequest {
    /// The resource that the token shall be for.
    pub resource: String,
    /// The client id, in small letters.
    pub client_id: String,
    /// How the client proves that it is who it says.
    pub proof: Proof,
}

/// A proof of who somebody is.
pub enum Proof {
    /// A client secret.
    Secret(Zeroizing<String>),
    /// A JWT signed by the client.
    Assertion(Zeroizing<String>),
    /// A token of another issuer, which was checked.
    Federated(Arc<ForeignToken>),
}

/// A form's fields, none of them given twice.
#[derive(Default)]
struct Fields {
    grant_type: Option<Zeroizing<String>>,
    scope: Option<Zeroizing<String>>,
    resource: Option<Zeroizing<String>>,
    client_id: Option<Zeroizing<String>>,
    client_secret: Option<Zeroizing<String>>,
    client_assertion_type: Option<Zeroizing<String>>,
    client_assertion: Option<Zeroizing<String>>,
}

impl TokenRequest {
    /// Reads a request.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, TokenError> {
        check_media_type(headers)?;
        let mut fields = Fields::read(body)?;
        fields.add_header(headers)?;
        let grant = fields.grant_type.take().ok_or_else(|| missing("grant_type"))?;
        if *grant != "client_credentials" {
            let what = format!("the grant type {:?} is not supported: client_credentials is.", *grant);
            return Err(TokenError::new("unsupported_grant_type", 70003, what));
        }
        let resource = fields.resource()?;
        let client_id = fields.client_id.take().ok_or_else(|| missing("client_id"))?.to_ascii_lowercase();
        Ok(Self { resource, client_id, proof: fields.proof()? })
    }
}

impl Fields {
    fn read(body: &[u8]) -> Result<Self, TokenError> {
        let mut fields = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            let value = Zeroizing::new(value.into_owned());
            let field = match &*name {
                "grant_type" => &mut fields.grant_type,
                "scope" => &mut fields.scope,
                "resource" => &mut fields.resource,
                "client_id" => &mut fields.client_id,
                "client_secret" => &mut fields.client_secret,
                "client_assertion_type" => &mut fields.client_assertion_type,
                "client_assertion" => &mut fields.client_assertion,
                _ => continue,
            };
            if field.replace(value).is_some() {
                return Err(invalid(format!("the request body has the parameter {name:?} twice.")));
            }
        }
        Ok(fields)
    }

    /// Client id and secret from HTTP Basic authentication; each is encoded like a form's field within.
    fn add_header(&mut self, headers: &HeaderMap) -> Result<(), TokenError> {
        let Some(given) = headers.get(header::AUTHORIZATION) else { return Ok(()) };
        let wrong = || invalid("the Authorization header must be Basic, with the client id and secret.");
        let text = given.to_str().map_err(|_| wrong())?;
        let (scheme, encoded) = text.split_once(' ').ok_or_else(wrong)?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(wrong());
        }
        let bytes = Zeroizing::new(Base64::decode_vec(encoded.trim()).map_err(|_| wrong())?);
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong())?;
        let (id, secret) = text.split_once(':').ok_or_else(wrong)?;
        let (id, secret) = (decoded(id), decoded(secret));
        if self.client_secret.is_some() || self.client_id.as_ref().is_some_and(|other| *other != id) {
            return Err(invalid("the client id and secret stand in the header and in the body: send them once."));
        }
        (self.client_id, self.client_secret) = (Some(id), Some(secret));
        Ok(())
    }

    /// Of `scope` the part that ends with `/.default`, or `resource` as older clients send it.
    fn resource(&self) -> Result<String, TokenError> {
        match (&self.scope, &self.resource) {
            (Some(scope), _) => {
                let resource = scope.split(' ').find_map(|part| part.strip_suffix("/.default"));
                let wrong = || format!("the scope {:?} is not valid: it must be the resource and /.default.", **scope);
                resource.map(str::to_owned).ok_or_else(|| TokenError::new("invalid_scope", 1002012, wrong()))
            }
            (None, Some(resource)) => Ok((**resource).clone()),
            (None, None) => Err(missing("scope")),
        }
    }

    fn proof(self) -> Result<Proof, TokenError> {
        match (self.client_secret, self.client_assertion) {
            (Some(_), Some(_)) => Err(invalid("the client sent a secret and an assertion: send one of them.")),
            (Some(secret), None) => Ok(Proof::Secret(secret)),
            (None, Some(assertion)) => match self.client_assertion_type.as_deref().map(String::as_str) {
                Some(JWT_BEARER) => Ok(Proof::Assertion(assertion)),
                Some(_) => Err(invalid(format!("the client_assertion_type must be {JWT_BEARER}."))),
                None => Err(missing("client_assertion_type")),
            },
            (None, None) => Err(TokenError::new(
                "invalid_client",
                7000218,
                "the request body must contain 'client_assertion' or 'client_secret'.",
            )),
        }
    }
}

fn check_media_type(headers: &HeaderMap) -> Result<(), TokenError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    match essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        true => Ok(()),
        false => Err(invalid("the request body must be a form (application/x-www-form-urlencoded).")),
    }
}

fn decoded(text: &str) -> Zeroizing<String> {
    let bytes = text.replace('+', " ");
    Zeroizing::new(percent_encoding::percent_decode_str(&Zeroizing::new(bytes)).decode_utf8_lossy().into_owned())
}

fn missing(field: &str) -> TokenError {
    TokenError::new("invalid_request", 900144, format!("the request body must contain the parameter '{field}'."))
}

fn invalid(what: impl Into<String>) -> TokenError {
    TokenError::new("invalid_request", 90014, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(authorization: Option<&str>, body: &str) -> Result<TokenRequest, TokenError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8".parse().unwrap());
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        TokenRequest::read(&headers, body.as_bytes())
    }

    fn refusal(authorization: Option<&str>, body: &str) -> &'static str {
        read(authorization, body).err().map_or("none", |error| error.error)
    }

    const GRANT: &str = "grant_type=client_credentials&scope=https%3A%2F%2Fv.example%2F.default";

    #[test]
    fn a_secret_stands_in_the_form_or_in_the_header() {
        let form = read(None, &format!("{GRANT}&client_id=AB&client_secret=a%2Bb%3Ac")).unwrap();
        let basic = Base64::encode_string(b"AB:a%2Bb%3Ac");
        let header = read(Some(&format!("Basic {basic}")), GRANT).unwrap();
        for request in [form, header] {
            assert_eq!((&*request.client_id, &*request.resource), ("ab", "https://v.example"));
            assert!(matches!(request.proof, Proof::Secret(secret) if *secret == "a+b:c"));
        }
    }

    #[test]
    fn what_is_missing_twice_or_of_another_kind_is_refused() {
        let basic = format!("Basic {}", Base64::encode_string(b"a:b"));
        assert_eq!(refusal(None, ""), "invalid_request");
        assert_eq!(refusal(None, "grant_type=password&scope=x"), "unsupported_grant_type");
        assert_eq!(refusal(None, GRANT), "invalid_request");
        assert_eq!(refusal(None, &format!("{GRANT}&client_id=a")), "invalid_client");
        assert_eq!(refusal(None, &format!("{GRANT}&client_id=a&client_id=a&client_secret=b")), "invalid_request");
        assert_eq!(refusal(Some(&basic), &format!("{GRANT}&client_secret=b")), "invalid_request");
        assert_eq!(refusal(Some("Bearer x"), GRANT), "invalid_request");
        assert_eq!(refusal(Some("Basic !"), GRANT), "invalid_request");
        assert_eq!(refusal(None, &format!("{GRANT}&client_id=a&client_assertion=b")), "invalid_request");
        assert_eq!(refusal(None, "grant_type=client_credentials&client_id=a&client_secret=b"), "invalid_request");
        let scope = "grant_type=client_credentials&scope=openid&client_id=a&client_secret=b";
        assert_eq!(refusal(None, scope), "invalid_scope");
    }
}
