//! Verifies passwords, each only once in a while.
//!
//! A hash of bcrypt costs a core a quarter of a second by design, and a push makes a hundred requests with the same
//! password. So a verified password is remembered for some minutes, as a keyed hash of the user's stored hash and the
//! password. A changed or deleted password has another stored hash, or none, so nothing remembered outlives it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// How long a verified password is remembered.
const REMEMBERED: Duration = Duration::from_mins(10);

/// The most verified passwords that are remembered.
const MOST: usize = 10_000;

/// The most verifications that wait for a core. More are refused: each costs a quarter of a second.
const MOST_WAITING: usize = 256;

/// A keyed hash of a stored hash and a password.
type Fingerprint = [u8; 32];

/// Verifies passwords against their hashes.
#[derive(Debug)]
pub(crate) struct Passwords {
    /// The key of the fingerprints. It never leaves this process.
    key: [u8; 32],
    verified: Mutex<HashMap<Fingerprint, Instant>>,
    /// A lock per password that is being verified, so that equal requests wait for one verification.
    flights: Mutex<HashMap<Fingerprint, Arc<tokio::sync::Mutex<()>>>>,
    /// A permit per core.
    cores: Arc<Semaphore>,
    #[cfg(test)]
    hashed: std::sync::atomic::AtomicUsize,
}

/// Too many passwords wait to be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crowded;

impl Passwords {
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            key,
            verified: Mutex::default(),
            flights: Mutex::default(),
            cores: Arc::new(Semaphore::new(cores)),
            #[cfg(test)]
            hashed: std::sync::atomic::AtomicUsize::default(),
        })
    }

    /// Whether the password is the one of this stored hash.
    pub(crate) async fn verify(&self, stored: &Arc<str>, password: &str) -> Result<bool, Crowded> {
        let fingerprint = self.fingerprint(stored, password);
        if self.is_remembered(&fingerprint) {
            return Ok(true);
        }
        let flight = {
            let mut flights = self.flights.lock();
            if flights.len() >= MOST_WAITING && !flights.contains_key(&fingerprint) {
                return Err(Crowded);
            }
            Arc::clone(flights.entry(fingerprint).or_default())
        };
        let outcome = {
            let _turn = flight.lock().await;
            if self.is_remembered(&fingerprint) {
                true
            } else {
                self.hash(stored, password, fingerprint).await
            }
        };
        let mut flights = self.flights.lock();
        // This request and the map: no other request waits.
        if Arc::strong_count(&flight) <= 2 {
            flights.remove(&fingerprint);
        }
        Ok(outcome)
    }

    async fn hash(&self, stored: &Arc<str>, password: &str, fingerprint: Fingerprint) -> bool {
        #[cfg(test)]
        self.hashed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&self.cores).acquire_owned().await else { return false };
        let (stored, password) = (Arc::clone(stored), password.to_owned());
        let verified = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            is_password_of(&stored, &password)
        })
        .await
        .unwrap_or(false);
        if verified {
            self.remember(fingerprint);
        }
        verified
    }

    fn is_remembered(&self, fingerprint: &Fingerprint) -> bool {
        self.verified.lock().get(fingerprint).is_some_and(|until| *until > Instant::now())
    }

    fn remember(&self, fingerprint: Fingerprint) {
        let (mut verified, now) = (self.verified.lock(), Instant::now());
        if verified.len() >= MOST {
            verified.retain(|_, until| *until > now);
            if verified.len() >= MOST {
                verified.clear();
            }
        }
        verified.insert(fingerprint, now + REMEMBERED);
    }

    fn fingerprint(&self, stored: &str, password: &str) -> Fingerprint {
        let mut hash = Sha256::new();
        hash.update(self.key);
        // The length separates the two texts.
        hash.update((stored.len() as u64).to_le_bytes());
        hash.update(stored);
        hash.update(password);
        hash.finalize().into()
    }
}

/// A password cannot be hashed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password cannot be hashed: {0}")]
pub struct HashError(String);

/// Hashes a password with argon2id, as PHC string. Takes some ten milliseconds and 19 MiB of memory, so it is called on a
/// thread that may block.
pub fn hash_password(password: &str) -> Result<String, HashError> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| HashError(error.to_string()))
}

/// Whether the password is the one of this hash, of argon2 or of bcrypt. Takes as long as the hash asks for.
fn is_password_of(stored: &str, password: &str) -> bool {
    if stored.starts_with("$argon2") {
        let parsed = PasswordHash::new(stored);
        return parsed
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
    }
    // bcrypt ignores what follows the 72nd byte, and so does `htpasswd -B`.
    bcrypt::verify(password, stored).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    fn stored(password: &str) -> Arc<str> {
        bcrypt::hash(password, 4).unwrap().into()
    }

    #[tokio::test]
    async fn fifty_requests_with_one_password_cost_one_hash() {
        let (passwords, stored) = (Arc::new(Passwords::new().unwrap()), stored("right"));
        let requests: Vec<_> = (0..50)
            .map(|_| {
                let (passwords, stored) = (Arc::clone(&passwords), Arc::clone(&stored));
                tokio::spawn(async move { passwords.verify(&stored, "right").await })
            })
            .collect();
        for request in requests {
            assert_eq!(request.await.unwrap(), Ok(true));
        }
        assert_eq!(passwords.hashed.load(Ordering::Relaxed), 1);
        assert!(passwords.flights.lock().is_empty());
    }

    #[test]
    fn a_password_is_the_one_of_its_own_hash_only() {
        let hash = hash_password("right").unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert!(is_password_of(&hash, "right") && !is_password_of(&hash, "wrong"));
        assert!(!is_password_of("$argon2id$broken", "right") && !is_password_of("", ""));
    }

    #[tokio::test]
    async fn a_wrong_password_is_never_remembered() {
        let (passwords, stored) = (Passwords::new().unwrap(), stored("right"));
        for _ in 0..2 {
            assert_eq!(passwords.verify(&stored, "wrong").await, Ok(false));
        }
        assert_eq!(passwords.hashed.load(Ordering::Relaxed), 2);
        assert!(passwords.verified.lock().is_empty());
    }

    #[tokio::test]
    async fn a_changed_password_ends_what_is_remembered() {
        let passwords = Passwords::new().unwrap();
        assert_eq!(passwords.verify(&stored("old"), "old").await, Ok(true));
        assert_eq!(passwords.verify(&stored("new"), "old").await, Ok(false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_password_is_forgotten_after_some_minutes() {
        let (passwords, stored) = (Passwords::new().unwrap(), stored("right"));
        assert_eq!(passwords.verify(&stored, "right").await, Ok(true));
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(passwords.verify(&stored, "right").await, Ok(true));
        assert_eq!(passwords.hashed.load(Ordering::Relaxed), 2);
    }
}
