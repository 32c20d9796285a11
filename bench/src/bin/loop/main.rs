//! Measures the inner loop: from an image that was just built to the image in a node's containerd, unpacked.
//!
//! The image has 500 MB in five layers, and its last layer of 20 MB changed. For each of Docker's image stores, the ways
//! from the engine to the node are measured in turns, each with a registry and a node of its own.

#![allow(clippy::missing_panics_doc, reason = "a failed step ends the bench and shows its output")]

mod image;
mod table;
mod way;

use hythe_e2e::engine::Engine;

use crate::image::Context;
use crate::table::Table;
use crate::way::{Store, Way};

/// Measurements of each way; the table shows medians.
const ROUNDS: usize = 5;

fn main() {
    let rounds = match &std::env::args().skip(1).collect::<Vec<_>>()[..] {
        [] => ROUNDS,
        [flag, rounds] if flag == "--rounds" => rounds.parse().expect("--rounds takes a number"),
        _ => {
            eprintln!("usage: bench/loop [--rounds N]");
            std::process::exit(2);
        }
    };
    let context = Context::create();
    for store in [Store::Classic, Store::Containerd] {
        eprintln!("{store}: preparing");
        let engine = match store {
            Store::Classic => Engine::docker(),
            Store::Containerd => Engine::docker_29(),
        };
        let mut ways = Way::all(store);
        // Round 0 brings the earlier version of the image to each node.
        let mut table = Table::default();
        for round in 0..=rounds {
            context.change(round);
            let count = ways.len();
            ways.rotate_left(round % count);
            for way in &mut ways {
                let stages = way.run(&engine, &context);
                if round > 0 {
                    table.add(way.name(), &stages);
                }
            }
            eprintln!("{store}: round {round} of {rounds}");
        }
        println!("\n{store}\n{table}");
        for (name, over, at_least) in store.bounds() {
            let ratio = table.total(over) / table.total(name);
            let verdict = if ratio >= *at_least { "met" } else { "MISSED" };
            println!("{name}: {ratio:.2} x as fast as {over} (at least {at_least}: {verdict})");
        }
    }
}
