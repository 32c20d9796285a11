//! Slows down clients that guess passwords.
//!
//! Failures are counted per address and user name together: a client that guesses locks out neither that user elsewhere nor
//! other users behind the same address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How many failures an address has with one user name before it must wait.
const FREE: u32 = 10;

/// How long failures count.
const COUNTED: Duration = Duration::from_mins(10);

/// The first wait. Each further failure doubles it.
const FIRST: Duration = Duration::from_secs(2);

/// The longest wait.
const LONGEST: Duration = Duration::from_mins(5);

/// The most pairs of address and name that are counted.
const MOST: usize = 20_000;

/// The failures of all clients.
#[derive(Debug, Default)]
pub(crate) struct Guesses(Mutex<HashMap<(IpAddr, String), Failures>>);

/// The failures of an address with a name.
#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    /// Until when the address must wait.
    fn until(self) -> Option<Instant> {
        let beyond = self.count.checked_sub(FREE)?;
        let wait = FIRST.saturating_mul(1 << beyond.min(16)).min(LONGEST);
        Some(self.last + wait)
    }
}

/// The address as it is counted. A client has a whole network of IPv6 addresses.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        address @ IpAddr::V4(_) => address,
    }
}

impl Guesses {
    /// How long the address must wait before it may try this name again.
    pub(crate) fn wait(&self, address: IpAddr, name: &str) -> Option<Duration> {
        let failures = *self.0.lock().get(&(counted(address), name.to_owned()))?;
        let left = failures.until()?.checked_duration_since(Instant::now())?;
        (!left.is_zero()).then_some(left)
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, address: IpAddr, name: &str) {
        let (mut all, now) = (self.0.lock(), Instant::now());
        if all.len() >= MOST {
            all.retain(|_, failures| now - failures.last < COUNTED);
            if all.len() >= MOST {
                all.clear();
            }
        }
        let failures =
            all.entry((counted(address), name.to_owned())).or_insert(Failures { count: 0, last: now });
        if now - failures.last >= COUNTED {
            failures.count = 0;
        }
        failures.count += 1;
        failures.last = now;
    }

    /// Forgets the failures: the client knows the password.
    pub(crate) fn succeeded(&self, address: IpAddr, name: &str) {
        self.0.lock().remove(&(counted(address), name.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[tokio::test(start_paused = true)]
    async fn only_the_guessed_name_at_the_guessing_address_must_wait() {
        let guesses = Guesses::default();
        for _ in 0..FREE {
            assert_eq!(guesses.wait(HERE, "alice"), None);
            guesses.failed(HERE, "alice");
        }
        assert_eq!(guesses.wait(HERE, "alice"), Some(FIRST));
        assert_eq!(guesses.wait(HERE, "bob"), None);
        assert_eq!(guesses.wait("192.0.2.2".parse().unwrap(), "alice"), None);
        tokio::time::advance(FIRST).await;
        assert_eq!(guesses.wait(HERE, "alice"), None);
        guesses.failed(HERE, "alice");
        assert_eq!(guesses.wait(HERE, "alice"), Some(2 * FIRST));
        guesses.succeeded(HERE, "alice");
        assert_eq!(guesses.wait(HERE, "alice"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_one_ipv6_network_count_together() {
        let guesses = Guesses::default();
        for host in 0..FREE {
            guesses.failed(format!("2001:db8::{host}").parse().unwrap(), "alice");
        }
        assert!(guesses.wait("2001:db8::ffff".parse().unwrap(), "alice").is_some());
        assert!(guesses.wait("2001:db8:1::".parse().unwrap(), "alice").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_of_failures_is_bounded() {
        let guesses = Guesses::default();
        for name in 0..3 * MOST {
            guesses.failed(HERE, &name.to_string());
        }
        assert!(guesses.0.lock().len() <= MOST);
    }
}
