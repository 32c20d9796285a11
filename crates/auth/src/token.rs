//! Short-lived signed tokens of Docker's token protocol (distribution, `docs/spec/auth/jwt.md`; RFC 7519).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::identity::{Identity, Proof, Subject};
use crate::scope::Access;

/// How long a token is valid. Docker asks for another one after 60 s if the response does not say how long.
const VALID: Duration = Duration::from_mins(5);

/// How far the clocks of this registry and of another token server may differ.
const SKEW: Duration = Duration::from_mins(1);

/// The most accesses of one token.
const MOST_ACCESSES: usize = 100;

/// The longest token that is read, in bytes.
const LONGEST: usize = 32 << 10;

/// The most verified tokens that are remembered.
const MOST: usize = 10_000;

/// A key that signs tokens.
#[derive(Clone)]
pub struct SigningKey {
    secret: Arc<[u8]>,
    encoding: EncodingKey,
    decoding: DecodingKey,
    id: String,
    public: Jwk,
}

/// A signing key cannot be made or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key for tokens cannot be used: {0}")]
pub struct KeyError(String);

// Without the secret.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Makes a new key for ES256.
    pub fn generate() -> Result<Self, KeyError> {
        let secret = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Self::from_secret(secret.map_err(|error| KeyError(error.to_string()))?.as_ref())
    }

    /// The key with this secret, which [`secret`](Self::secret) returned (PKCS #8).
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        let broken = |error: jsonwebtoken::errors::Error| KeyError(error.to_string());
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, secret)
            .map_err(|error| KeyError(error.to_string()))?;
        let encoding = EncodingKey::from_ec_der(secret);
        let mut public = Jwk::from_encoding_key(&encoding, Algorithm::ES256).map_err(broken)?;
        let id = public.thumbprint(ThumbprintHash::SHA256).map_err(broken)?;
        public.common.key_id = Some(id.clone());
        let decoding = DecodingKey::from_jwk(&public).map_err(broken)?;
        Ok(Self { secret: secret.into(), encoding, decoding, id, public })
    }

    /// The secret, to store it (PKCS #8).
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// The key's id: its thumbprint (RFC 7638).
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// The claims of a token.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    /// The subject, such as `user:alice`; empty for a client without credentials.
    sub: String,
    aud: String,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: String,
    access: Vec<Access>,
}

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// The token has expired. A client then asks for another one.
    #[error("the token has expired")]
    Expired,
    /// Another server signed the token, or somebody changed it, or it is meant for another registry.
    #[error("the token is not valid here: {0}")]
    Invalid(String),
}

/// Signs and verifies tokens.
#[derive(Debug)]
pub struct TokenServer {
    /// The name of this registry in tokens: their issuer and their audience.
    service: String,
    /// The keys, the one that signs first. The others still verify.
    keys: ArcSwap<Vec<SigningKey>>,
    /// Verified tokens: a signature costs as much as the rest of a small request.
    verified: Mutex<HashMap<[u8; 32], (Identity, u64)>>,
}

/// A token, and how long it is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The token.
    pub token: String,
    /// When it was issued.
    pub at: SystemTime,
    /// How long it is valid from then on.
    pub valid: Duration,
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl TokenServer {
    /// The token server of the registry with this name in tokens. The first key signs; all keys verify.
    pub fn new(service: impl Into<String>, keys: Vec<SigningKey>) -> Self {
        Self { service: service.into(), keys: ArcSwap::from_pointee(keys), verified: Mutex::default() }
    }

    /// The name of this registry in tokens.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Replaces the keys. Tokens of keys that are gone are refused from now on.
    pub fn set_keys(&self, keys: Vec<SigningKey>) {
        self.keys.store(Arc::new(keys));
        self.verified.lock().clear();
    }

    /// The public keys as a JSON Web Key Set (RFC 7517, 5).
    pub fn public_keys(&self) -> String {
        let keys: Vec<Jwk> = self.keys.load().iter().map(|key| key.public.clone()).collect();
        serde_json::json!({ "keys": keys }).to_string()
    }

    /// Signs a token for the client with these accesses.
    pub fn issue(&self, client: &Identity, access: Vec<Access>) -> Result<Issued, KeyError> {
        let keys = self.keys.load();
        let key = keys.first().ok_or_else(|| KeyError("there is none".to_owned()))?;
        let (at, mut id) = (SystemTime::now(), [0; 16]);
        getrandom::fill(&mut id).map_err(|error| KeyError(error.to_string()))?;
        let now = seconds(at);
        let claims = Claims {
            iss: self.service.clone(),
            sub: client.subject().map(ToString::to_string).unwrap_or_default(),
            aud: self.service.clone(),
            exp: now + VALID.as_secs(),
            nbf: now.saturating_sub(SKEW.as_secs()),
            iat: now,
            jti: URL_SAFE_NO_PAD.encode(id),
            access: access.into_iter().take(MOST_ACCESSES).collect(),
        };
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::ES256) };
        let token = encode(&header, &claims, &key.encoding).map_err(|error| KeyError(error.to_string()))?;
        Ok(Issued { token, at, valid: VALID })
    }

    /// The client that a token names, limited to the token's accesses.
    pub fn verify(&self, token: &str) -> Result<Identity, Forged> {
        let invalid = |why: &str| Forged::Invalid(why.to_owned());
        if token.len() > LONGEST {
            return Err(invalid("it is too long"));
        }
        let (fingerprint, now) = (<[u8; 32]>::from(Sha256::digest(token)), seconds(SystemTime::now()));
        if let Some((identity, until)) = self.verified.lock().get(&fingerprint) {
            return if now < *until { Ok(identity.clone()) } else { Err(Forged::Expired) };
        }
        let header = decode_header(token).map_err(|_| invalid("it is not a signed token"))?;
        let keys = self.keys.load();
        let key = keys.iter().find(|key| header.kid.as_ref() == Some(&key.id));
        let key = key.ok_or_else(|| invalid("this registry does not know the key that signed it"))?;
        // Of the token's header only the key's id counts: the algorithm is the key's own.
        let mut validation = Validation::new(Algorithm::ES256);
        (validation.leeway, validation.validate_nbf) = (0, true);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.set_issuer(&[&self.service]);
        validation.set_audience(&[&self.service]);
        let claims =
            decode::<Claims>(token, &key.decoding, &validation).map_err(|error| refused(&error))?.claims;
        let identity = if claims.sub.is_empty() {
            Identity::anonymous()
        } else {
            let subject: Subject = claims.sub.parse().map_err(|_| invalid("its subject is unknown"))?;
            Identity::known(Arc::new(subject), Proof::Token)
        };
        let identity = identity.limited(claims.access);
        let mut verified = self.verified.lock();
        if verified.len() >= MOST {
            verified.retain(|_, (_, until)| now < *until);
            if verified.len() >= MOST {
                verified.clear();
            }
        }
        verified.insert(fingerprint, (identity.clone(), claims.exp));
        Ok(identity)
    }
}

fn refused(error: &jsonwebtoken::errors::Error) -> Forged {
    use jsonwebtoken::errors::ErrorKind;

    let why = match error.kind() {
        ErrorKind::ExpiredSignature => return Forged::Expired,
        ErrorKind::InvalidAudience => "it is meant for another registry",
        ErrorKind::InvalidIssuer => "another server issued it",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        _ => "its signature or its claims are wrong",
    };
    Forged::Invalid(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{Action, Actions};

    fn server(name: &str) -> TokenServer {
        TokenServer::new(name, vec![SigningKey::generate().unwrap()])
    }

    fn alice() -> Identity {
        Identity::known(Arc::new("user:alice".parse().unwrap()), Proof::Password)
    }

    fn pull() -> Vec<Access> {
        vec![Access::repository(&"app".parse().unwrap(), [Action::Pull].into_iter().collect::<Actions>())]
    }

    /// The token with one of its three parts replaced.
    fn with_part(token: &str, part: usize, by: &str) -> String {
        let mut parts: Vec<&str> = token.split('.').collect();
        parts[part] = by;
        parts.join(".")
    }

    #[test]
    fn a_token_names_its_subject_and_limits_it() {
        let server = server("here");
        let issued = server.issue(&alice(), pull()).unwrap();
        for _ in 0..2 {
            let identity = server.verify(&issued.token).unwrap();
            assert_eq!(
                (identity.to_string().as_str(), identity.limits()),
                ("user:alice", Some(pull().as_slice()))
            );
        }
        let anonymous = server.issue(&Identity::anonymous(), Vec::new()).unwrap();
        assert_eq!(server.verify(&anonymous.token).unwrap().limits(), Some(&[][..]));
    }

    #[test]
    fn a_key_that_was_stored_still_verifies() {
        let server = server("here");
        let token = server.issue(&alice(), pull()).unwrap().token;
        let stored = SigningKey::from_secret(server.keys.load()[0].secret()).unwrap();
        let rotated = TokenServer::new("here", vec![SigningKey::generate().unwrap(), stored]);
        assert!(rotated.verify(&token).is_ok());
        assert!(rotated.public_keys().contains("\"kty\":\"EC\""));
        rotated.set_keys(vec![SigningKey::generate().unwrap()]);
        assert!(matches!(rotated.verify(&token), Err(Forged::Invalid(_))));
        assert!(SigningKey::from_secret(b"none").is_err());
    }

    #[test]
    fn forged_tokens_are_refused() {
        let (here, there) = (server("here"), server("there"));
        let key = here.keys.load()[0].clone();
        let token = here.issue(&alice(), pull()).unwrap().token;
        let encoded = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = |iss: &str, aud: &str, exp: u64, nbf: u64| serde_json::json!({ "iss": iss, "sub": "user:root", "aud": aud, "exp": exp, "nbf": nbf, "iat": 0, "jti": "", "access": [] });
        let now = seconds(SystemTime::now());
        let signed = |claims: &serde_json::Value| {
            let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::ES256) };
            encode(&header, claims, &key.encoding).unwrap()
        };
        // With the public key as the secret of a symmetric signature.
        let confused = {
            let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::HS256) };
            let public = serde_json::to_vec(&key.public).unwrap();
            encode(&header, &claims("here", "here", now + 60, 0), &EncodingKey::from_secret(&public).unwrap())
                .unwrap()
        };
        let none = serde_json::json!({ "alg": "none", "typ": "JWT", "kid": key.id });
        let unsigned = format!("{}.{}.", encoded(none), encoded(claims("here", "here", now + 60, 0)));
        for (what, forged) in [
            ("of another registry", there.issue(&alice(), pull()).unwrap().token),
            ("with other claims", with_part(&token, 1, &encoded(claims("here", "here", now + 60, 0)))),
            ("without a signature", with_part(&token, 2, "")),
            ("of no algorithm", unsigned),
            ("of a symmetric algorithm", confused),
            ("for another audience", signed(&claims("here", "there", now + 60, 0))),
            ("of another issuer", signed(&claims("there", "here", now + 60, 0))),
            ("of tomorrow", signed(&claims("here", "here", now + 60, now + 30))),
            ("not a token", "abc".to_owned()),
            ("empty", String::new()),
            ("too long", "a".repeat(LONGEST + 1)),
        ] {
            assert!(matches!(here.verify(&forged), Err(Forged::Invalid(_))), "{what}");
        }
        assert_eq!(here.verify(&signed(&claims("here", "here", now - 1, 0))), Err(Forged::Expired));
        assert!(here.verify(&signed(&claims("here", "here", now + 60, 0))).is_ok());
    }
}
