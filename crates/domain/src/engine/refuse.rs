//! Refusals: each says what was wrong and what would be right.

use crate::command::{FormError, Refusal, RefusalKind};

pub(super) fn refusal(kind: RefusalKind, text: impl Into<String>) -> Refusal {
    Refusal { kind, text: text.into() }
}

pub(super) fn not_now(text: impl Into<String>) -> Refusal {
    refusal(RefusalKind::NotNow, text)
}

pub(super) fn not_found(text: impl Into<String>) -> Refusal {
    refusal(RefusalKind::NotFound, text)
}

pub(super) fn unwritten() -> Refusal {
    refusal(
        RefusalKind::Internal,
        "The change could not be written down and has been undone; ask again, and tell the operator to look at the \
         server's storage.",
    )
}

impl From<FormError> for Refusal {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Missing(text) => refusal(RefusalKind::Missing, text),
            FormError::OutOfRange(text) => refusal(RefusalKind::OutOfRange, text),
        }
    }
}
