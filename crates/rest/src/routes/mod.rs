//! The resources, a file for each family.

pub(crate) mod devices;
pub(crate) mod features;
pub(crate) mod me;
pub(crate) mod system;
pub(crate) mod users;

use api_types::Found;
use axum::{
    extract::{
        Path, Query,
        rejection::{PathRejection, QueryRejection},
    },
    response::Response,
};
use serde::{Deserialize, Serialize};

use crate::{
    Api,
    problem::{Problem, ok},
};

/// A part of the path; one that is not text names nothing.
pub(crate) type Id = Result<Path<String>, PathRejection>;

/// The query.
pub(crate) type Wanted = Result<Query<Parameters>, QueryRejection>;

/// What can stand in a query.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Parameters {
    /// Whole objects instead of URIs, whatever it says.
    fields: Option<String>,
    /// `*`, or names with commas between them.
    subresources: Option<String>,
    /// The number to look up.
    phone_number: Option<String>,
}

/// For all paths that lead nowhere.
pub(crate) async fn unknown_path() -> Problem {
    Problem::not_found("this resource")
}

/// For all methods that a path does not have.
pub(crate) async fn wrong_method() -> Problem {
    Problem::WrongMethod
}

fn id(path: Id) -> Result<String, Problem> {
    path.map(|it| it.0).map_err(|_| Problem::not_found("this resource"))
}

fn parameters(query: Wanted) -> Result<Parameters, Problem> {
    query.map(|it| it.0).map_err(|_| Problem::out_of_range("the query cannot be read"))
}

/// A collection: whole objects under `name` where `fields` was given, else their URIs.
fn collection<V, T: Serialize>(
    name: &'static str,
    parameters: &Parameters,
    items: &[V],
    whole: impl Fn(&V) -> T,
    uri: impl Fn(&V) -> String,
) -> Response {
    match parameters.fields {
        Some(_) => ok(&Found(name, items.iter().map(whole).collect::<Vec<T>>())),
        None => ok(&Found("uris", items.iter().map(uri).collect::<Vec<String>>())),
    }
}

/// Voice resources do not exist while the feature is off.
fn voice<B>(api: &Api<B>) -> Result<(), Problem> {
    match has_voice(api) {
        true => Ok(()),
        false => Err(Problem::not_found("this resource")),
    }
}

fn has_voice<B>(api: &Api<B>) -> bool {
    api.views.contact_center().has(domain::config::ContactCenter::VOICE)
}
