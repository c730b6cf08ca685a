//! An event that simd-json decoded without copying its strings, as rsigma's engine looks at events.

use std::borrow::Cow;

use rsigma_eval::{Event, EventValue};
use simd_json::borrowed::{Object, Value};
use simd_json::{Buffers, StaticNode};

pub struct Record<'a>(Object<'a>);

impl<'a> Record<'a> {
    /// `None` where the bytes are no JSON object.
    pub fn parse(bytes: &'a mut [u8], buffers: &mut Buffers) -> Option<Self> {
        match simd_json::to_borrowed_value_with_buffers(bytes, buffers) {
            Ok(Value::Object(object)) => Some(Self(*object)),
            _ => None,
        }
    }
}

impl Event for Record<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        if let Some(value) = self.0.get(path) {
            return Some(answer(value));
        }
        let (first, rest) = path.split_once('.')?;
        let mut found = Vec::new();
        walk(self.0.get(first)?, rest, &mut found);
        match found.len() {
            0 | 1 => found.pop(),
            _ => Some(EventValue::Array(found)),
        }
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        self.0.values().any(|value| any_text(value, &mut |text| pred(&text)))
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        let mut found = Vec::new();
        for value in self.0.values() {
            any_text(value, &mut |text| {
                found.push(text);
                false
            });
        }
        found
    }

    fn visit_string_values(&self, visit: &mut dyn FnMut(&str)) {
        for value in self.0.values() {
            any_text(value, &mut |text| {
                visit(&text);
                false
            });
        }
    }

    fn to_json(&self) -> serde_json::Value {
        let fields = self.0.iter().map(|(name, value)| (name.to_string(), answer(value).to_json()));
        serde_json::Value::Object(fields.collect())
    }

    fn top_level_keys(&self) -> Option<Vec<Cow<'_, str>>> {
        Some(self.0.keys().map(|name| Cow::Borrowed(name.as_ref())).collect())
    }

    fn visit_top_level_keys(&self, visit: &mut dyn FnMut(&str)) -> bool {
        self.0.keys().for_each(|name| visit(name));
        true
    }
}

fn answer<'v>(value: &'v Value<'_>) -> EventValue<'v> {
    match value {
        Value::String(text) => EventValue::Str(Cow::Borrowed(text)),
        Value::Static(StaticNode::I64(number)) => EventValue::Int(*number),
        Value::Static(StaticNode::U64(number)) => match i64::try_from(*number) {
            Ok(small) => EventValue::Int(small),
            Err(_) => EventValue::Float(*number as f64),
        },
        Value::Static(StaticNode::F64(number)) => EventValue::Float(*number),
        Value::Static(StaticNode::Bool(truth)) => EventValue::Bool(*truth),
        Value::Static(StaticNode::Null) => EventValue::Null,
        Value::Array(members) => EventValue::Array(members.iter().map(answer).collect()),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (Cow::Borrowed(name.as_ref()), answer(value)));
            EventValue::Map(fields.collect())
        }
    }
}

/// Follow the parts of a dotted name, each member of an array in turn.
fn walk<'v>(value: &'v Value<'_>, path: &str, found: &mut Vec<EventValue<'v>>) {
    match value {
        Value::Array(members) => members.iter().for_each(|member| walk(member, path, found)),
        Value::Object(fields) => {
            let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
            match (fields.get(first), rest) {
                (Some(inner), Some(rest)) => walk(inner, rest, found),
                (Some(inner), None) => found.push(answer(inner)),
                (None, _) => {}
            }
        }
        _ => {}
    }
}

/// Whether some text below a value is the one that is looked for; numbers count as their text, as `JsonEvent` has it.
fn any_text<'v>(value: &'v Value<'_>, found: &mut impl FnMut(Cow<'v, str>) -> bool) -> bool {
    match value {
        Value::String(text) => found(Cow::Borrowed(text)),
        Value::Array(members) => members.iter().any(|member| any_text(member, found)),
        Value::Object(fields) => fields.values().any(|field| any_text(field, found)),
        Value::Static(StaticNode::Null | StaticNode::Bool(_)) => false,
        Value::Static(number) => found(Cow::Owned(number.to_string())),
    }
}
