//! Templates: a JSON document in whose strings `{{name}}` stands for a field. What is filled in stays inside of its string, so that
//! no name of a host can break out.

use serde_json::Value;

/// A parsed template.
pub(super) struct Template(Value);

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| format!("a template is a JSON document: {error}"))?;
        let template = Self(value);
        // Every name is looked up once, now, rather than at three in the morning.
        let known = super::fields(&sample());
        template.walk(&template.0, &known)?;
        Ok(template)
    }

    pub(super) fn fill(&self, fields: &Value) -> Value {
        self.walk(&self.0, fields).unwrap_or_else(|_| fields.clone())
    }

    fn walk(&self, value: &Value, fields: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => fill(text, fields)?,
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.walk(item, fields)).collect::<Result<_, _>>()?)
            }
            Value::Object(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(name, item)| Ok((name.clone(), self.walk(item, fields)?)))
                    .collect::<Result<_, String>>()?,
            ),
            other => other.clone(),
        })
    }
}

/// A string that is one field only becomes what the field is; otherwise fields become text.
fn fill(text: &str, fields: &Value) -> Result<Value, String> {
    let field = |name: &str| {
        fields.get(name.trim()).ok_or_else(|| format!("there is no field {:?} to fill in", name.trim()))
    };
    if let Some(name) = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"))
        && !name.contains("{{")
    {
        return field(name).cloned();
    }
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or("a {{ has no }}")?;
        filled += before;
        match field(name)? {
            Value::String(text) => filled += text,
            Value::Null => {}
            other => filled += &other.to_string(),
        }
        rest = after;
    }
    Ok(Value::String(filled + rest))
}

fn sample() -> crate::records::Outgoing {
    use crate::records::*;
    Outgoing {
        id: String::new(),
        channel: String::new(),
        message: Message {
            ticket: String::new(),
            number: 1,
            key: Key { tenant: String::new(), rule: RuleName::SelfTest, subject: Subject::Console },
            kind: NoticeKind::Opened,
            severity: Severity::Notice,
            sentence: String::new(),
            next_step: String::new(),
            evidence: vec![],
            since_secs: 0,
            at_secs: 0,
            url: None,
        },
        put_secs: 0,
        due_secs: 0,
        attempts: 0,
        error: None,
        state: State::Waiting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_filled_in_stays_inside_of_its_string() {
        let template =
            Template::parse(r#"{"text": "{{severity}}: {{sentence}}", "all": ["{{evidence}}"], "n": 1}"#)
                .expect("good");
        let mut fields = super::super::fields(&sample());
        fields["sentence"] = json!("\", \"admin\": true, {{severity}} \"");
        let filled = template.fill(&fields);
        assert_eq!(
            filled,
            json!({"text": "notice: \", \"admin\": true, {{severity}} \"", "all": [[]], "n": 1})
        );
    }

    #[test]
    fn a_template_that_cannot_be_filled_is_refused_when_it_is_read() {
        for (bad, word) in [("{", "JSON"), (r#""{{nosuch}}""#, "nosuch"), (r#""x {{severity""#, "}}")] {
            let error = Template::parse(bad).err().unwrap_or_default();
            assert!(error.contains(word), "{error}");
        }
    }
}
