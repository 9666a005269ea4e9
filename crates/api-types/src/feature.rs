//! The feature resource, and the features that the server knows.

use serde::Serialize;

use crate::Links;

/// The feature resource (`gws-api.md` 1.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Feature {
    /// Its id, such as `api-voice`.
    pub id: String,
    /// For people.
    pub display_name: String,
    /// One sentence.
    pub description: String,
    /// Where it is found.
    pub uri: String,
    /// `/features/{id}`
    pub path: String,
}

/// The feature resource of an id. An id that the server does not know, but an operator assigned, describes itself.
#[must_use]
pub fn feature(id: &str, links: &Links) -> Feature {
    let known = KNOWN.iter().find(|it| it.0 == id);
    let (display_name, description) = known.map_or((id, ""), |it| (it.1, it.2));
    Feature {
        id: id.to_owned(),
        display_name: display_name.to_owned(),
        description: description.to_owned(),
        uri: links.feature(id),
        path: format!("/features/{id}"),
    }
}

/// Ids of all features that the server knows, in the order of `/system/features`.
pub fn all_features() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|it| it.0)
}

/// Id, display name, description.
const KNOWN: [(&str, &str, &str); 12] = [
    ("api-voice", "Voice", "Calls, devices and the voice channel"),
    ("api-supervisor-monitoring", "Supervisor monitoring", "Lets supervisors monitor agents"),
    ("api-supervisor-agent-control", "Supervisor agent control", "Lets supervisors change agents' states"),
    ("api-multimedia", "Multimedia", "Channels other than voice"),
    ("api-supervisor-recording", "Supervisor recording", "Lets supervisors control the recording of calls"),
    ("api-provisioning-read", "Provisioning, reading", "Lets administrators read the contact centre's objects"),
    ("api-provisioning-write", "Provisioning, writing", "Lets administrators change the contact centre's objects"),
    ("ui-supervisor-provisioning-routing", "Routing pages", "Shows supervisors the routing pages of a desktop"),
    ("ui-supervisor-provisioning-skill", "Skill pages", "Shows supervisors the skill pages of a desktop"),
    ("ui-supervisor-provisioning-user", "User pages", "Shows supervisors the user pages of a desktop"),
    ("ui-supervisor-recording", "Recording pages", "Shows supervisors the recording pages of a desktop"),
    ("ui-supervisor-reporting", "Reporting pages", "Shows supervisors the reporting pages of a desktop"),
];
