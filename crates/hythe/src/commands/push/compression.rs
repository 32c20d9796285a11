//! How layers are compressed on their way to a registry.

use std::net::IpAddr;

use hythe_engine::Compression;
use hythe_oci::Authority;

use crate::args::CompressionChoice;

/// The compression that the user asks for. By default none to this machine and to private networks, where compressing takes
/// longer than sending, and gzip elsewhere.
pub(super) async fn compression(choice: CompressionChoice, registry: &Authority) -> Compression {
    match choice {
        CompressionChoice::None => Compression::None,
        CompressionChoice::Zstd => Compression::Zstd,
        CompressionChoice::Auto if is_near(registry).await => Compression::None,
        CompressionChoice::Auto | CompressionChoice::Gzip => Compression::Gzip,
    }
}

/// Whether all addresses of a registry are private.
async fn is_near(registry: &Authority) -> bool {
    if registry.is_loopback() {
        return true;
    }
    if let Some(address) = registry.address() {
        return is_private(address);
    }
    // The port does not matter for looking a name up.
    let Ok(addresses) = tokio::net::lookup_host((registry.host(), 443)).await else { return false };
    let mut addresses = addresses.peekable();
    addresses.peek().is_some() && addresses.all(|address| is_private(address.ip()))
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            // 100.64.0.0/10 is the shared range, which private networks of clouds and VPNs use (RFC 6598).
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && second & 0xc0 == 64;
            address.is_private() || address.is_loopback() || address.is_link_local() || is_shared
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_compressed_on_the_way_to_near_registries() {
        for (registry, expected) in [
            ("localhost:5001", Compression::None),
            ("10.1.2.3:5000", Compression::None),
            ("172.18.0.2:5000", Compression::None),
            ("[fd00::1]:5000", Compression::None),
            ("100.100.1.1", Compression::None),
            ("8.8.8.8", Compression::Gzip),
            ("[2001:4860::1]:443", Compression::Gzip),
        ] {
            assert_eq!(
                compression(CompressionChoice::Auto, &registry.parse().unwrap()).await,
                expected,
                "{registry}"
            );
        }
        let there = "localhost:5001".parse().unwrap();
        assert_eq!(compression(CompressionChoice::Zstd, &there).await, Compression::Zstd);
    }
}
