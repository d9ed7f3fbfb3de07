package countersign.rules.model_allow_list_test

import data.countersign.lib.fixtures_test as fixtures
import data.countersign.rules.model_allow_list

test_deny[name] if {
	some name, given in {
		"fires on a model that is given to another group": {
			"input": _asks_for("o9-research"),
			"models": [{"groups": ["research"], "models": ["o9-research"]}],
			"want": _refusal,
		},
		"fires on a model that only begins like one given by its full name": {
			"input": _asks_for("gpt-4o-audio"),
			"models": [{"groups": ["engineering"], "models": ["gpt-4o"]}],
			"want": _refusal,
		},
		"fires when the request names no model": {
			"input": _asks_for(null),
			"models": [{"groups": ["engineering"], "models": ["gpt-4o", "claude-*"]}],
			"want": _refusal,
		},
		"fires when the resource is missing": {
			"input": object.remove(fixtures.request, ["resource"]),
			"models": [{"groups": ["engineering"], "models": ["gpt-4o"]}],
			"want": _refusal,
		},
		"fires when the caller's groups are missing": {
			"input": object.remove(_asks_for("gpt-4o"), ["subject"]),
			"models": [{"groups": ["engineering"], "models": ["gpt-4o"]}],
			"want": _refusal,
		},
		"fires while nothing is given to anybody": {
			"input": _asks_for("gpt-4o"),
			"models": [],
			"want": _refusal,
		},
		"does not fire on a model that one of the caller's groups has": {
			"input": _asks_for("gpt-4o"),
			"models": [{"groups": ["sales", "engineering"], "models": ["gpt-3", "gpt-4o"]}],
			"want": set(),
		},
		"does not fire on a model that matches a prefix": {
			"input": _asks_for("claude-sonnet-4"),
			"models": [{"groups": ["everyone"], "models": ["claude-*"]}],
			"want": set(),
		},
		"does not fire where every caller has every model, even an unnamed one": {
			"input": _asks_for(null),
			"models": [{"groups": ["*"], "models": ["*"]}],
			"want": set(),
		},
		"does not fire in the response phase": {
			"input": fixtures.response,
			"models": [],
			"want": set(),
		},
	}

	got := model_allow_list.deny with input as given.input with data.settings as {"models": given.models}
	got == given.want
}

test_deny_without_settings if {
	model_allow_list.deny == _refusal with input as fixtures.request with data.settings as {}
}

_asks_for(model) := object.union(fixtures.request, {"resource": {"model": model}})

_refusal := {{"status": 403, "code": "model_not_allowed", "message": "this model is not available to you"}}
