package countersign.rules.uninspected_parts_test

import data.countersign.lib.fixtures_test as fixtures
import data.countersign.rules.uninspected_parts

test_label_and_deny[name] if {
	some name, given in {
		"labels every kind, denies none by default": {
			"input": _holding(["image", "audio", "image"]),
			"uninspected": {"default": "label", "kinds": {}},
			"label": {{"name": "uninspected", "value": "audio"}, {"name": "uninspected", "value": "image"}},
			"deny": set(),
		},
		"denies the kind that is set to deny": {
			"input": _holding(["image", "encrypted"]),
			"uninspected": {"default": "label", "kinds": {"encrypted": "deny"}},
			"label": {{"name": "uninspected", "value": "encrypted"}, {"name": "uninspected", "value": "image"}},
			"deny": {_refusal("encrypted")},
		},
		"denies all but the kind that is set to label": {
			"input": _holding(["image", "audio"]),
			"uninspected": {"default": "deny", "kinds": {"image": "label"}},
			"label": {{"name": "uninspected", "value": "audio"}, {"name": "uninspected", "value": "image"}},
			"deny": {_refusal("audio")},
		},
		"denies when a treatment is misspelt": {
			"input": _holding(["image"]),
			"uninspected": {"default": "lable", "kinds": {}},
			"label": {{"name": "uninspected", "value": "image"}},
			"deny": {_refusal("image")},
		},
		"denies when the setting is missing": {
			"input": _holding(["image"]),
			"uninspected": {},
			"label": {{"name": "uninspected", "value": "image"}},
			"deny": {_refusal("image")},
		},
		"does nothing when everything was read": {
			"input": fixtures.request,
			"uninspected": {"default": "deny", "kinds": {}},
			"label": set(),
			"deny": set(),
		},
		"does nothing when the conversation is missing": {
			"input": object.remove(fixtures.request, ["conversation"]),
			"uninspected": {"default": "deny", "kinds": {}},
			"label": set(),
			"deny": set(),
		},
	}

	settings := {"uninspected": given.uninspected}
	label := uninspected_parts.label with input as given.input with data.settings as settings
	deny := uninspected_parts.deny with input as given.input with data.settings as settings
	label == given.label
	deny == given.deny
}

_holding(kinds) := object.union(fixtures.request, {"conversation": {"uninspected": [part |
	some i, kind in kinds
	part := {"pointer": concat("", ["/messages/0/content/", format_int(i, 10)]), "kind": kind}
]}})

_refusal(kind) := {
	"status": 403,
	"code": "uninspected_part",
	"message": concat("", ["a part of kind ", kind, " cannot be inspected and may not pass"]),
}
