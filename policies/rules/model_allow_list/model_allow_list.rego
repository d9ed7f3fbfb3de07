# METADATA
# title: Model allow-list
# description: |
#   A group may use the models that some row of `settings.models` gives it. The group `*` stands for every caller; a
#   model may end in `*`. A request that does not name a model needs a row with the model `*`.
package countersign.rules.model_allow_list

# METADATA
# title: Deny models that no row gives to one of the caller's groups
deny contains {
	"status": 403,
	"code": "model_not_allowed",
	"message": "this model is not available to you",
} if {
	input.phase == "request"
	not _is_allowed
}

_is_allowed if {
	some row in data.settings.models
	_names_caller(row.groups)
	some pattern in row.models
	_matches(pattern, input.resource.model)
}

_names_caller(groups) if "*" in groups

_names_caller(groups) if {
	some group in input.subject.groups
	group in groups
}

_matches("*", _)

_matches(pattern, model) if pattern == model

_matches(pattern, model) if {
	endswith(pattern, "*")
	startswith(model, trim_suffix(pattern, "*"))
}
