//! Evaluates Sigma rules over NDJSON with rsigma and prints what it took and what matched, as one JSON object.
//!
//! `rsigma-peer RULES EVENTS [--passes=N] [--threads=N] [--bloom] [--cross-rule-ac] [--correlations]`

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use mimalloc::MiMalloc;
use rsigma_eval::Engine;
use rsigma_parser::parse_sigma_directory;

mod correlations;
mod record;
use record::Record;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Counts = BTreeMap<String, u64>;

#[derive(Default)]
struct Pass {
    records: u64,
    rejected: u64,
    counts: Counts,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rules, events, options @ ..] = arguments.as_slice() else {
        return Err("usage: rsigma-peer RULES EVENTS [OPTION]...".into());
    };
    let given = |name: &str| options.iter().any(|option| option == name);
    let number = |name: &str, otherwise: usize| match options.iter().find_map(|option| option.strip_prefix(name)) {
        Some(text) => text.parse::<usize>(),
        None => Ok(otherwise),
    };
    let passes = number("--passes=", 1)?.max(1);
    let threads = number("--threads=", 1)?.max(1);
    if given("--correlations") {
        println!("{}", correlations::run(Path::new(rules), &std::fs::read(events)?, passes)?);
        return Ok(());
    }

    let collection = parse_sigma_directory(Path::new(rules))?;
    let mut engine = Engine::new();
    engine.set_bloom_prefilter(given("--bloom"));
    engine.set_cross_rule_ac(given("--cross-rule-ac"));
    let refused = engine.add_rules(&collection.rules);
    let data = std::fs::read(events)?;

    let mut seconds = f64::INFINITY;
    let mut pass = Pass::default();
    for _ in 0..passes {
        let started = Instant::now();
        pass = evaluate(&engine, &data, threads);
        seconds = seconds.min(started.elapsed().as_secs_f64());
    }
    for rule in engine.rules() {
        pass.counts.entry(rule.id.clone().unwrap_or_default()).or_default();
    }
    let answer = serde_json::json!({
        "rules": engine.rule_count(),
        "failed": refused.len() + collection.errors().count(),
        "records": pass.records,
        "rejected": pass.rejected,
        "seconds": seconds,
        "matches": pass.counts,
    });
    println!("{answer}");
    Ok(())
}

/// One pass over all records, each thread over its own share of the bytes.
fn evaluate(engine: &Engine, data: &[u8], threads: usize) -> Pass {
    if threads == 1 {
        return evaluate_share(engine, data);
    }
    let mut shares = Vec::with_capacity(threads);
    let mut rest = data;
    for left in (1..=threads).rev() {
        let middle = rest.len() / left;
        let end = rest[middle..].iter().position(|&byte| byte == b'\n').map_or(rest.len(), |n| middle + n + 1);
        let (share, others) = rest.split_at(if left == 1 { rest.len() } else { end });
        shares.push(share);
        rest = others;
    }
    let mut all = Pass::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = shares.iter().map(|share| scope.spawn(|| evaluate_share(engine, share))).collect();
        for worker in workers {
            let part = worker.join().expect("a worker thread ended early");
            all.records += part.records;
            all.rejected += part.rejected;
            for (rule, count) in part.counts {
                *all.counts.entry(rule).or_default() += count;
            }
        }
    });
    all
}

/// A record decoded by simd-json takes less time than the engine's own `JsonEvent` over serde_json.
fn evaluate_share(engine: &Engine, data: &[u8]) -> Pass {
    let mut pass = Pass::default();
    let mut buffers = simd_json::Buffers::default();
    let mut bytes = Vec::new();
    for line in data.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        // simd-json unescapes in place, so it needs bytes of its own.
        bytes.clear();
        bytes.extend_from_slice(line);
        let Some(record) = Record::parse(&mut bytes, &mut buffers) else {
            pass.rejected += 1;
            continue;
        };
        pass.records += 1;
        for result in engine.evaluate(&record) {
            let rule = result.header.rule_id.as_deref().unwrap_or_default();
            match pass.counts.get_mut(rule) {
                Some(count) => *count += 1,
                None => {
                    pass.counts.insert(rule.to_owned(), 1);
                }
            }
        }
    }
    pass
}
