//! The user resource.

use domain::{config::Role, view::UserView};
use serde::Serialize;

use crate::{Call, Channel, Device, Feature, Links};

/// The user resource (`gws-api.md` 2.1). Subresources are absent unless they were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// 32 hex digits.
    pub id: String,
    /// The name to log in with.
    pub user_name: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// `ROLE_…`
    pub roles: Vec<&'static str>,
    /// Whether the user may log in: always.
    pub enabled: bool,
    /// Never.
    pub change_password_on_first_login: bool,
    /// The user's devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<Device>>,
    /// The user's live calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<Vec<Call>>,
    /// The user's channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<Channel>>,
    /// The same under the name that other clients read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_states: Option<Vec<Channel>>,
    /// Sections of settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
    /// Features of the contact centre.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<Feature>>,
    /// Where the user is found.
    pub uri: String,
    /// `/users/{id}`
    pub path: String,
}

/// `settings` of a user: no section is known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Settings {}

/// The user resource of a view, without subresources.
#[must_use]
pub fn user(view: &UserView, links: &Links) -> User {
    User {
        id: view.id.to_string(),
        user_name: view.user_name.clone(),
        first_name: view.first_name.clone(),
        last_name: view.last_name.clone(),
        roles: view.roles.iter().map(|it| role(*it)).collect(),
        enabled: true,
        change_password_on_first_login: false,
        devices: None,
        calls: None,
        channels: None,
        channel_states: None,
        settings: None,
        features: None,
        uri: links.user(view.id),
        path: format!("/users/{}", view.id),
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Agent => "ROLE_AGENT",
        Role::Supervisor => "ROLE_SUPERVISOR",
        Role::Admin => "ROLE_ADMIN",
    }
}
