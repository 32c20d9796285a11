//! Compresses a layer on all cores into a temporary file: the digest of the compressed bytes is known only at their end, and
//! the manifest and the upload need it.
//!
//! The layer is cut into blocks, and the same bytes always give the same file, whatever the number of cores: a layer that is
//! compressed again is found at the registry by its digest.

use std::fs::File;
use std::io::{self, Write as _};

use flate2::{Compress, Crc, FlushCompress};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hythe_oci::media_type::{OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD};
use hythe_oci::{Algorithm, Digest, HashState};
use hythe_transfer::Bytestream;
use tokio::io::AsyncReadExt as _;

/// Bytes that are compressed at once, before compression.
const BLOCK: usize = 1 << 20;

/// The level of gzip: Docker's.
const GZIP_LEVEL: u32 = 6;
/// The level of zstd: its default.
const ZSTD_LEVEL: i32 = 3;

/// The header of a gzip file without a name and a time (RFC 1952, 2.3).
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The last block of a deflate stream, without content (RFC 1951, 3.2.6).
const DEFLATE_END: [u8; 2] = [3, 0];

/// How the layers that are read are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, which every engine reads.
    Gzip,
    /// zstd, which is smaller and faster, and which older engines do not read.
    Zstd,
}

impl Compression {
    /// The media type of a layer.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::None => OCI_LAYER,
            Self::Gzip => OCI_LAYER_GZIP,
            Self::Zstd => OCI_LAYER_ZSTD,
        }
    }
}

/// A compressed layer in a temporary file, which has no name and ends with the value.
#[derive(Debug)]
pub(crate) struct Compressed {
    pub(crate) file: File,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// A block of the layer, compressed.
struct Block {
    bytes: Vec<u8>,
    crc: Crc,
}

fn compress(block: &[u8], how: Compression) -> io::Result<Block> {
    let mut crc = Crc::new();
    crc.update(block);
    let bytes = match how {
        Compression::None => block.to_vec(),
        Compression::Gzip => deflate(block)?,
        Compression::Zstd => zstd::bulk::compress(block, ZSTD_LEVEL)?,
    };
    Ok(Block { bytes, crc })
}

/// A block of a deflate stream that ends at a byte's end, so that the next one can follow it.
fn deflate(block: &[u8]) -> io::Result<Vec<u8>> {
    let mut deflate = Compress::new(flate2::Compression::new(GZIP_LEVEL), false);
    let mut bytes = Vec::with_capacity(block.len() / 2 + 1024);
    loop {
        let from = deflate.total_in() as usize;
        deflate.compress_vec(&block[from..], &mut bytes, FlushCompress::Sync).map_err(io::Error::other)?;
        // A flush is complete only if the output had room left.
        if deflate.total_in() as usize == block.len() && bytes.len() < bytes.capacity() {
            return Ok(bytes);
        }
        bytes.reserve(64 << 10);
    }
}

/// Compresses a layer as it is read. As many blocks are in memory as there are cores, and one more.
pub(crate) async fn spool(layer: Bytestream, how: Compression) -> io::Result<Compressed> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let blocks = stream::try_unfold(layer, |mut layer| async move {
        let mut block = Vec::with_capacity(BLOCK);
        (&mut layer).take(BLOCK as u64).read_to_end(&mut block).await?;
        io::Result::Ok((!block.is_empty()).then_some((block, layer)))
    });
    let compressed = blocks.map(|block| async move {
        let block = block?;
        let work = tokio::task::spawn_blocking(move || compress(&block, how));
        work.await.map_err(io::Error::other)?
    });
    let mut file = tempfile::tempfile()?;
    let (mut hash, mut size, mut crc) = (HashState::new(Algorithm::Sha256), 0, Crc::new());
    let mut write = |bytes: &[u8]| {
        hash.update(bytes);
        size += bytes.len() as u64;
        file.write_all(bytes)
    };
    if how == Compression::Gzip {
        write(&GZIP_HEAD)?;
    }
    let mut compressed = std::pin::pin!(compressed.buffered(cores + 1));
    while let Some(block) = compressed.try_next().await? {
        write(&block.bytes)?;
        crc.combine(&block.crc);
    }
    if how == Compression::Zstd && crc.amount() == 0 {
        // Not even a frame is no zstd.
        write(&compress(&[], how)?.bytes)?;
    }
    if how == Compression::Gzip {
        write(&DEFLATE_END)?;
        write(&crc.sum().to_le_bytes())?;
        write(&crc.amount().to_le_bytes())?;
    }
    Ok(Compressed { file, digest: hash.finish(), size })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};

    use super::*;

    async fn through(content: &[u8], how: Compression) -> Vec<u8> {
        let layer: Bytestream = Box::pin(io::Cursor::new(content.to_vec()));
        let Compressed { mut file, digest, size } = spool(layer, how).await.unwrap();
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!((Digest::of(Algorithm::Sha256, &bytes), bytes.len() as u64), (digest, size));
        bytes
    }

    #[tokio::test]
    async fn what_was_compressed_is_read_again_by_readers_of_one_member() {
        // Text-like and random bytes, at and around a block's size.
        let noise = |seed: u64| {
            (0..).scan(seed, |state: &mut u64, _| {
                *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                Some((*state >> 40) as u8)
            })
        };
        for size in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 77] {
            for content in [vec![b'a'; size], noise(7).take(size).collect::<Vec<u8>>()] {
                let gzip = through(&content, Compression::Gzip).await;
                let mut back = Vec::new();
                flate2::read::GzDecoder::new(&*gzip).read_to_end(&mut back).unwrap();
                assert!(back == content, "{size}");
                assert!(gzip == through(&content, Compression::Gzip).await);
                let zstd = through(&content, Compression::Zstd).await;
                assert!(zstd::stream::decode_all(&*zstd).unwrap() == content, "{size}");
            }
        }
        assert!(through(&vec![b'a'; BLOCK], Compression::Gzip).await.len() < 10_000);
    }
}
