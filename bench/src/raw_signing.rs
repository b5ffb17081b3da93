//! What the cryptographic library signs in a second with nothing around it: the other floor of fresh answers.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use ocspry_testkit::TestKey;

use crate::server;

/// As long as the signed part of an answer with a nonce.
const MESSAGE: [u8; 200] = [7; 200];

/// Signatures a second on each of these cores at once, added up.
pub fn per_second(key: &TestKey, cores: &[usize], wanted: Duration) -> Result<f64> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = cores
            .iter()
            .map(|&core| scope.spawn(move || on_one_core(key, core, wanted)))
            .collect();
        let rates = threads.into_iter().map(|thread| {
            thread
                .join()
                .map_err(|_| anyhow!("a signing thread panicked"))?
        });
        rates.sum()
    })
}

fn on_one_core(key: &TestKey, core: usize, wanted: Duration) -> Result<f64> {
    server::pin_this_thread(core)?;
    let started = Instant::now();
    let mut count = 0u32;
    while started.elapsed() < wanted {
        for _ in 0..10 {
            std::hint::black_box(key.sign(&MESSAGE));
        }
        count += 10;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}
