package countersign.rules.hold_production_changes_test

import data.countersign.lib.fixtures_test as fixtures
import data.countersign.rules.hold_production_changes

# Prompts that must wait, with the settings that are shipped.
test_hold[text] if {
	some text in {
		"Deploy build 4711 to production.",
		"deploying this to PROD tonight, what is the command?",
		"Write a Python script that drops the users table in prod",
		"Generate the migration code for our production database",
		"Run `terraform apply -auto-approve` against the production account",
		"kubectl delete pod -l app=web\n# context: prod",
		"In production, please restart the payment service",
		"helm upgrade web ./chart --namespace production",
		"We are live. Now roll out v2 on prod!",
		"Truncate the audit table; target: production",
	}
	got := hold_production_changes.hold with input as fixtures.says("user", text)
	got == {_terms}
}

# Prompts that must not wait.
test_no_hold[text] if {
	some text in {
		"What is the capital of France?",
		"How do production lines in car factories work?",
		"Deploy this to staging.",
		"Can you reproduce the bug? Delete the temporary file afterwards.",
		"Write a script for our new product page",
		"The deployment is done. What does production mean in economics?",
		"Describe the dropdown of the production calendar",
		"",
	}
	got := hold_production_changes.hold with input as fixtures.says("user", text)
	got == set()
}

test_hold_by_role[name] if {
	some name, given in {
		"fires on a role that is read": {"input": fixtures.says("user", "Deploy to prod"), "want": {_terms}},
		"does not fire on a role that is not read": {"input": fixtures.says("tool", "Deploy to prod"), "want": set()},
		"does not fire on a text without a role": {
			"input": json.remove(fixtures.says("user", "Deploy to prod"), ["/conversation/segments/0/role"]),
			"want": set(),
		},
		"does not fire in the response phase": {
			"input": object.union(fixtures.says("user", "Deploy to prod"), {"phase": "response"}),
			"want": set(),
		},
		"does not fire when the conversation is missing": {
			"input": object.remove(fixtures.request, ["conversation"]),
			"want": set(),
		},
	}
	got := hold_production_changes.hold with input as given.input
	got == given.want
}

test_exempt_groups[name] if {
	some name, given in {
		"fires for somebody of no such group": {"groups": ["sre"], "want": {_terms}},
		"does not fire for a member": {"groups": ["engineering", "sre"], "want": set()},
	}
	settings := object.union(data.settings.production_changes, {"exempt_groups": ["engineering"]})
	subject := object.union(fixtures.request.subject, {"groups": given.groups})
	got := hold_production_changes.hold with input as object.union(fixtures.says("user", "Deploy to prod"), {"subject": subject})
		with data.settings.production_changes as settings
	got == given.want
}

test_terms_come_from_settings if {
	settings := object.union(data.settings.production_changes, {
		"approvers": {"groups": ["sre"], "quorum": 2},
		"wait_s": 30,
	})
	got := hold_production_changes.hold with input as fixtures.says("user", "Deploy to prod")
		with data.settings.production_changes as settings
	got == {object.union(_terms, {"approvers": {"groups": ["sre"], "quorum": 2}, "wait_s": 30})}
}

test_deny[name] if {
	some name, given in {
		"fires without settings": {"settings": {}, "want": {_misconfigured}},
		"fires when a part of the settings is missing": {
			"settings": {"production_changes": object.remove(data.settings.production_changes, ["targets"])},
			"want": {_misconfigured},
		},
		"does not fire on the settings that are shipped": {"settings": data.settings, "want": set()},
	}
	got := hold_production_changes.deny with input as fixtures.request with data.settings as given.settings
	got == given.want
}

_terms := {
	"message": "this prompt asks for a change of a production system",
	"approvers": {"groups": ["production-approvers"], "quorum": 1},
}

_misconfigured := {
	"status": 503,
	"code": "policy_misconfigured",
	"message": "settings.production_changes is incomplete",
}
