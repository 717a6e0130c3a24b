//! Schedules: five fields as in crontab(5). They are checked here and used by the agent.

const FIELDS: [(&str, u32, u32); 5] =
    [("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7)];

/// What is wrong with a schedule.
pub(super) fn check(text: &str) -> Result<(), String> {
    let fields: Vec<_> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!(
            "a schedule has 5 fields (minute hour day month weekday), this one has {}",
            fields.len()
        ));
    }
    for (field, (name, low, high)) in fields.iter().zip(FIELDS) {
        for part in field.split(',') {
            if !is_part(part, low, high) {
                return Err(format!("{part:?} is not a {name} ({low} to {high}, *, a-b, */n, lists)"));
            }
        }
    }
    Ok(())
}

fn is_part(part: &str, low: u32, high: u32) -> bool {
    let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
    if step.is_some_and(|step| !step.parse::<u32>().is_ok_and(|n| n > 0)) {
        return false;
    }
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u32>().ok()).flatten().filter(|n| (low..=high).contains(n))
    };
    match range.split_once('-') {
        None => range == "*" || number(range).is_some(),
        Some((from, to)) => matches!((number(from), number(to)), (Some(from), Some(to)) if from <= to),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn five_fields_within_their_limits() {
        for good in ["30 2 * * *", "*/15 0-6,22 1 1-12/2 7", "0 * * * *"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "* * * *",
            "60 * * * *",
            "* * 0 * *",
            "*/0 * * * *",
            "5-1 * * * *",
            "+1 * * * *",
            "a * * * *",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
