//! What is wrong with a request: openEO error codes, and where in a process graph they apply.
//!
//! An [`Issue`] is one problem that a user can act on. How a server wraps it (`id`, links, HTTP
//! headers) is not decided here.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Issue {
    pub code: Code,
    /// Empty for problems of the request as a whole.
    pub path: NodePath,
    /// The name of the argument, with the place inside its value: `extent.west`, `bands[0]`.
    pub argument: Option<String>,
    /// Lower case, no final period.
    pub message: Box<str>,
    /// What to do about it.
    pub hint: Option<String>,
    /// More for the log: fields by name.
    pub details: Option<Box<Map<String, Value>>>,
}

/// The way to a node: node ids and the names of the arguments that hold callbacks, alternating.
///
/// `["reduce1", "reducer", "mean1"]` is the node `mean1` in the callback `reducer` of `reduce1`. A
/// callback inside a value has its place as its name: `properties.eo:cloud_cover`. Between a node that calls a stored
/// process and the nodes of that process stands the id with `()`. Steps of more than
/// 100 characters are shortened, so that thousands of issues about one long name stay small.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodePath(pub Vec<String>);

/// An openEO error code: one of the API, or one that a process declares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(Cow<'static, str>);

impl Issue {
    pub fn new(code: Code, path: NodePath, message: impl Into<String>) -> Self {
        let message = message.into().into_boxed_str();
        Issue { code, path, argument: None, message, hint: None, details: None }
    }

    /// States the argument, or the place inside it.
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.argument = Some(argument.into());
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the fields of an object to the details.
    pub fn details(mut self, fields: Value) -> Self {
        if let Value::Object(fields) = fields {
            self.details.get_or_insert_default().extend(fields);
        }
        self
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if !self.path.0.is_empty() {
            write!(f, " at {}", self.path)?;
        }
        if let Some(argument) = &self.argument {
            let link = if self.path.0.is_empty() { " at" } else { "," };
            write!(f, "{link} argument `{argument}`")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl NodePath {
    /// The path of a node of the process itself.
    pub fn node(id: impl Into<String>) -> Self {
        NodePath(vec![id.into()])
    }

    /// This path with one more step.
    pub fn join(&self, step: impl Into<String>) -> Self {
        let mut steps = self.0.clone();
        steps.push(step.into());
        NodePath(steps)
    }

    /// The path of a node, and on into the stored process that it calls.
    pub fn calling(&self, id: &str) -> Self {
        self.join(format!("{}()", short(id)))
    }
}

impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            let arrow = if index > 0 { " → " } else { "" };
            if let Some(process) = step.strip_suffix("()").filter(|_| index % 2 == 1) {
                write!(f, "{arrow}process `{process}`")?;
            } else {
                let kind = if index % 2 == 0 { "node" } else { "callback" };
                write!(f, "{arrow}{kind} `{step}`")?;
            }
        }
        Ok(())
    }
}

/// Shortens a name given by the user to 100 characters.
pub(crate) fn short(name: &str) -> Cow<'_, str> {
    const MOST: usize = 100;
    match name.char_indices().nth(MOST) {
        Some((end, _)) => Cow::Owned(format!("{}…", &name[..end])),
        None => Cow::Borrowed(name),
    }
}

/// Writes the codes down once, as constants and as a table of their HTTP status.
macro_rules! codes {
    ($($name:ident = $code:literal $status:literal;)*) => {
        impl Code {
            $(pub const $name: Code = Code(Cow::Borrowed($code));)*

            /// The HTTP status of an answer with this code; 400 for those of processes.
            pub fn http_status(&self) -> u16 {
                match self.as_str() {
                    $($code => $status,)*
                    _ => 400,
                }
            }
        }
    };
}

codes! {
    INTERNAL = "Internal" 500;
    NOT_FOUND = "NotFound" 404;
    FEATURE_UNSUPPORTED = "FeatureUnsupported" 501;
    INFRASTRUCTURE_MAINTENANCE = "InfrastructureMaintenance" 503;
    INFRASTRUCTURE_BUSY = "InfrastructureBusy" 503;
    UNSUPPORTED_API_VERSION = "UnsupportedApiVersion" 404;
    REQUEST_TIMEOUT = "RequestTimeout" 408;
    BUDGET_INVALID = "BudgetInvalid" 400;
    ESTIMATE_COMPLEXITY = "EstimateComplexity" 500;
    NO_DATA_FOR_UPDATE = "NoDataForUpdate" 400;
    PROPERTY_NOT_EDITABLE = "PropertyNotEditable" 400;
    COLLECTION_NOT_FOUND = "CollectionNotFound" 404;
    STORAGE_FAILURE = "StorageFailure" 500;
    STORAGE_QUOTA_EXCEEDED = "StorageQuotaExceeded" 400;
    FILE_NOT_FOUND = "FileNotFound" 404;
    FILE_PATH_INVALID = "FilePathInvalid" 400;
    FILE_OPERATION_UNSUPPORTED = "FileOperationUnsupported" 400;
    FOLDER_OPERATION_UNSUPPORTED = "FolderOperationUnsupported" 400;
    CONTENT_TYPE_INVALID = "ContentTypeInvalid" 400;
    FILE_TYPE_INVALID = "FileTypeInvalid" 400;
    FILE_SIZE_EXCEEDED = "FileSizeExceeded" 400;
    FILE_CONTENT_INVALID = "FileContentInvalid" 400;
    FILE_LOCKED = "FileLocked" 400;
    PROCESS_GRAPH_NOT_FOUND = "ProcessGraphNotFound" 404;
    PROCESS_INVALID = "ProcessInvalid" 400;
    PROCESS_GRAPH_MISSING = "ProcessGraphMissing" 400;
    PROCESS_GRAPH_INVALID = "ProcessGraphInvalid" 400;
    PREDEFINED_PROCESS_EXISTS = "PredefinedProcessExists" 400;
    PROCESS_GRAPH_COMPLEXITY = "ProcessGraphComplexity" 400;
    PROCESS_UNSUPPORTED = "ProcessUnsupported" 400;
    PROCESS_NAMESPACE_INVALID = "ProcessNamespaceInvalid" 400;
    PROCESS_PARAMETER_UNSUPPORTED = "ProcessParameterUnsupported" 400;
    PROCESS_PARAMETER_INVALID = "ProcessParameterInvalid" 400;
    PROCESS_PARAMETER_REQUIRED = "ProcessParameterRequired" 400;
    JOB_NOT_FOUND = "JobNotFound" 404;
    JOB_LOCKED = "JobLocked" 400;
    JOB_NOT_FINISHED = "JobNotFinished" 400;
    JOB_NOT_STARTED = "JobNotStarted" 400;
    RESULT_LINK_EXPIRED = "ResultLinkExpired" 410;
    PAYMENT_REQUIRED = "PaymentRequired" 402;
    BILLING_PLAN_INVALID = "BillingPlanInvalid" 400;
    BILLING_PLAN_MISSING = "BillingPlanMissing" 400;
    AUTHENTICATION_REQUIRED = "AuthenticationRequired" 401;
    AUTHENTICATION_SCHEME_INVALID = "AuthenticationSchemeInvalid" 403;
    TOKEN_INVALID = "TokenInvalid" 403;
    CREDENTIALS_INVALID = "CredentialsInvalid" 403;
    PERMISSIONS_INSUFFICIENT = "PermissionsInsufficient" 403;
    SERVICE_NOT_FOUND = "ServiceNotFound" 404;
    SERVICE_UNSUPPORTED = "ServiceUnsupported" 400;
    SERVICE_CONFIG_UNSUPPORTED = "ServiceConfigUnsupported" 400;
    SERVICE_CONFIG_INVALID = "ServiceConfigInvalid" 400;
    SERVICE_CONFIG_REQUIRED = "ServiceConfigRequired" 400;
    FORMAT_UNSUITABLE = "FormatUnsuitable" 400;
}

impl Code {
    /// A code that a process declares.
    pub fn new(code: impl Into<Cow<'static, str>>) -> Self {
        Code(code.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
