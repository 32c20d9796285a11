//! The command line of the bench.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::contender::Kind;

/// Measures hythe against nginx, Debian's docker-registry and distribution 3 in one interleaved run.
#[derive(Debug, Parser)]
#[command(name = "bench", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    /// Run only scenarios whose names start with NAME; may be repeated
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub(crate) only: Vec<String>,

    /// Measurements of each contender in each scenario; the table shows medians
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) rounds: u16,

    /// Size of the blob that clients pull and push
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    pub(crate) size: u64,

    /// Size of each layer of the ten-layer images
    #[arg(long, value_name = "SIZE", default_value = "20MiB", value_parser = size)]
    pub(crate) layer: u64,

    /// Repositories of the large registry; its repository with many tags has this many tags too
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000, value_parser = population)]
    pub(crate) repositories: usize,

    /// Tags of each repository of the large registry
    #[arg(long, value_name = "NUMBER", default_value = "10", value_parser = tags)]
    pub(crate) tags: usize,

    /// Small blobs of the registry whose garbage is collected; half of them are garbage
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    pub(crate) blobs: u64,

    /// Also write the table to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Contenders to measure
    #[arg(long, value_name = "NAME", value_enum, value_delimiter = ',', default_values_t = Kind::ALL)]
    pub(crate) contenders: Vec<Kind>,

    /// Folder for all data, on the file system to measure; the bench empties it before and after the run
    #[arg(long, value_name = "DIR", env = "BENCH_DIR")]
    pub(crate) dir: Option<PathBuf>,

    /// Another role of the program
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// A role of the program when the bench starts it as a contender.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Run as the contender that receives, hashes and writes
    #[command(hide = true)]
    Sink {
        /// Port on loopback
        #[arg(long)]
        port: u16,
        /// Folder for the files
        #[arg(long)]
        dir: PathBuf,
        /// Hash in another thread than the one that writes
        #[arg(long)]
        beside: bool,
    },
}

/// Parses the number of repositories. Fewer would not fill the requested pages; more would not fit into the names.
fn population(text: &str) -> Result<usize, String> {
    number(text, 1000..=10_000_000)
}

fn tags(text: &str) -> Result<usize, String> {
    number(text, 1..=1000)
}

fn number(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("not a whole number from {} to {}", range.start(), range.end()))
}

/// The smallest size of a blob, in bytes: smaller blobs would measure round trips.
const LEAST: u64 = 1 << 16;

fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].trim() {
        "" | "B" => 1,
        "KiB" | "K" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        other => return Err(format!("unknown unit `{other}`; use KiB, MiB or GiB")),
    };
    let size = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    match size {
        Some(size) if size >= LEAST => Ok(size),
        Some(_) => Err("too small: blobs of less than 64 KiB would measure round trips".to_owned()),
        None => Err("not a size; write it as 256MiB or 1GiB".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("256M"), Ok(256 << 20));
        assert_eq!(size("65536"), Ok(65536));
        for bad in ["1GB", "", "1", "x", "99999999999GiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_scenario_may_be_named_by_its_start() {
        let settings = Cli::try_parse_from(["bench", "--only", "pull", "push-1", "--rounds", "2"]).unwrap();
        assert_eq!(settings.only, ["pull", "push-1"]);
    }

    #[test]
    fn contenders_are_named_as_the_table_names_them() {
        let settings = Cli::try_parse_from(["bench", "--contenders", "hythe,loop-beside"]).unwrap();
        assert_eq!(settings.contenders, [Kind::Hythe, Kind::LoopBeside]);
    }
}
