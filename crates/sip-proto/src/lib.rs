//! SIP as pure machines: messages, transactions, dialogs, registrar and digest. No socket, no clock.

pub mod dialog;
pub mod digest;
pub mod endpoint;
pub mod guessing;
pub mod message;
pub mod registrant;
pub mod registrar;
pub mod reliable;
pub mod session;
pub mod shedding;
pub mod stream;
pub mod transport;

pub use dialog::{Dialog, DialogId};
pub use endpoint::{ClientId, Config, Endpoint, Input, Output, ServerId};
pub use message::{
    Address, CSeq, ContactValue, Header, HeaderName, Headers, HeadersExt, Host, Message, MessageExt, Method, Request,
    Response, Uri,
};
pub use stream::Streams;
pub use transport::{Flow, Transport};
