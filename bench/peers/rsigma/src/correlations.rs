//! Correlations over NDJSON: every alert, and how long it takes to find them.

use std::error::Error;
use std::path::Path;

use rsigma_eval::{CorrelationConfig, CorrelationEngine, Event, EventValue, ProcessResult, TimestampFallback};
use rsigma_parser::{SigmaCollection, parse_sigma_directory};
use simd_json::Buffers;

use crate::record::Record;

/// Evaluates rules and correlations, the fastest of some passes.
///
/// `seconds` is what correlations alone take: records are decoded, their detections evaluated and their times known
/// before. `whole` is the way from bytes to alerts. `alerts` has the name of a correlation, the group and the number of
/// the record, for every record at which the condition holds.
pub fn run(rules: &Path, data: &[u8], passes: usize) -> Result<serde_json::Value, Box<dyn Error>> {
    let collection = parse_sigma_directory(rules)?;
    let mut own = data.to_vec(); // simd-json unescapes in place
    let mut buffers = Buffers::default();
    let records: Vec<Record> = own
        .split_mut(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .filter_map(|line| Record::parse(line, &mut buffers))
        .collect();
    let mut seconds = f64::INFINITY;
    let mut whole = f64::INFINITY;
    let mut found = Vec::new();
    for _ in 0..passes {
        let (spent, results) = correlate(engine(&collection)?, &records);
        seconds = seconds.min(spent);
        found = results;
        whole = whole.min(from_bytes(engine(&collection)?, data));
    }
    let alerts: Vec<_> = found
        .iter()
        .enumerate()
        .flat_map(|(record, results)| results.iter().map(move |result| (record, result)))
        .filter_map(|(record, result)| {
            let body = result.as_correlation()?;
            Some(serde_json::json!([result.header.rule_title, body.group_key, record]))
        })
        .collect();
    Ok(serde_json::json!({
        "failed": collection.errors().count(),
        "records": records.len(),
        "seconds": seconds,
        "whole": whole,
        "alerts": alerts,
    }))
}

fn engine(collection: &SigmaCollection) -> Result<CorrelationEngine, Box<dyn Error>> {
    let config = CorrelationConfig { timestamp_fallback: TimestampFallback::Skip, ..Default::default() };
    let mut engine = CorrelationEngine::new(config);
    engine.add_collection(collection)?;
    Ok(engine)
}

fn correlate(mut engine: CorrelationEngine, records: &[Record]) -> (f64, Vec<ProcessResult>) {
    let prepared: Vec<_> = records.iter().map(|record| (record, engine.evaluate(record), time_of(record))).collect();
    let mut found = Vec::with_capacity(prepared.len());
    let started = processor_time();
    for (record, detections, time) in prepared {
        found.push(engine.process_with_detections(record, detections, time));
    }
    (processor_time() - started, found)
}

fn from_bytes(mut engine: CorrelationEngine, data: &[u8]) -> f64 {
    let mut buffers = Buffers::default();
    let mut bytes = Vec::new();
    let mut alerts = Vec::new();
    let started = processor_time();
    for line in data.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        bytes.clear();
        bytes.extend_from_slice(line);
        if let Some(record) = Record::parse(&mut bytes, &mut buffers) {
            alerts.extend(engine.process_event(&record));
        }
    }
    processor_time() - started
}

/// Seconds that this thread was at work: other work on the machine is not in them.
fn processor_time() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells it");
    told.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).expect("nanoseconds") / 1e9
}

/// Seconds since 1970: the records of the benchmark have milliseconds.
fn time_of(record: &Record) -> i64 {
    match record.get_field("@timestamp") {
        Some(EventValue::Int(milliseconds)) => milliseconds / 1000,
        _ => 0,
    }
}
