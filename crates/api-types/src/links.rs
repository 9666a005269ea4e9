//! The absolute URIs in bodies.

use domain::ids::{CallId, DeviceId, UserId};

/// Makes the absolute URIs in bodies: `/api/v2` appended to the public URL, whatever host a request named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    root: String,
}

impl Links {
    /// Links below `public_url`, such as `http://127.0.0.1:8080`; slashes at its end do not count.
    #[must_use]
    pub fn new(public_url: &str) -> Self {
        Self { root: format!("{}/api/v2", public_url.trim_end_matches('/')) }
    }

    /// The root of the API, without a slash at its end.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// A device, in the namespace that `targetDeviceUri` points into.
    #[must_use]
    pub fn device(&self, id: DeviceId) -> String {
        format!("{}/devices/{id}", self.root)
    }

    /// A call, as one of its user's own.
    #[must_use]
    pub fn call(&self, id: CallId) -> String {
        format!("{}/me/calls/{id}", self.root)
    }

    /// A user.
    #[must_use]
    pub fn user(&self, id: UserId) -> String {
        format!("{}/users/{id}", self.root)
    }

    /// A feature.
    #[must_use]
    pub fn feature(&self, id: &str) -> String {
        format!("{}/features/{id}", self.root)
    }
}
