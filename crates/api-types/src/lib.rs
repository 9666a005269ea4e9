//! The JSON of the API: the only place with those names.
//!
//! Going out, pure functions make resources and messages from the domain's views: [`device`], [`call`], [`user`],
//! [`notification`]. Coming in, [`request`] reads the bodies of operations into the domain's commands. The shapes are
//! those of the GWS v2 Voice API; the order of the fields is that of its published samples.

mod call;
mod channel;
mod device;
mod envelope;
mod feature;
mod links;
mod message;
pub mod request;
mod user;

pub use call::{Call, CallMonitoring, Participant, call};
pub use channel::{Channel, UserState, VOICE_CHANNEL, channel, user_state};
pub use device::{Device, Monitoring, device};
pub use envelope::{ChannelResult, Code, Done, Failure, Found, Partial, partial};
pub use feature::{Feature, all_features, feature};
pub use links::Links;
pub use message::{CallMessage, ChannelMessage, DeviceMessage, ErrorMessage, Extensions, Message, notification, topic};
pub use user::{Settings, User, user};

#[cfg(test)]
mod tests;
