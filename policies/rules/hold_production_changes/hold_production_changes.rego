# METADATA
# title: Hold production changes
# description: |
#   A prompt that asks for code or an operation that changes production waits for a human. It fires when one sentence of
#   a user's text names an operation and a production system, in either order: "write a script that drops the users
#   table in prod", "terraform apply against the production account", "in production, delete the stale pods". It does
#   not fire on "how do production deployments work elsewhere?" split over sentences, nor on "reproduce" or "product".
#
#   `settings.production_changes.targets` and `.operations` map a word to an RE2 fragment: the word (lower case) is
#   looked for first, because that is cheap, and the fragment judges. `.roles` are the roles whose texts are read,
#   `.approvers` who may decide; more terms (`ttl_s`, `wait_s`, `grant`, `require_reason`) may stand beside them.
#   Members of one of `.exempt_groups` (none as shipped) need no approval.
package countersign.rules.hold_production_changes

# METADATA
# title: Hold requests that ask for a change of production
hold contains object.union(_terms, {"message": "this prompt asks for a change of a production system"}) if {
	input.phase == "request"
	not _is_exempt
	some segment in input.conversation.segments
	segment.role in data.settings.production_changes.roles
	_asks_for_change(lower(segment.text))
}

# METADATA
# title: Deny while the rule does not know what to look for
deny contains {
	"status": 503,
	"code": "policy_misconfigured",
	"message": "settings.production_changes is incomplete",
} if {
	not _is_configured
}

_is_configured if {
	every part in ["approvers", "roles", "targets", "operations"] {
		data.settings.production_changes[part]
	}
}

_is_exempt if {
	some group in input.subject.groups
	group in data.settings.production_changes.exempt_groups
}

_asks_for_change(text) if {
	some target_word, target in data.settings.production_changes.targets
	contains(text, target_word)
	some operation_word, operation in data.settings.production_changes.operations
	contains(text, operation_word)
	_in_one_sentence(text, operation, target)
}

_in_one_sentence(text, operation, target) if {
	regex.match(concat("", [`\b(?:`, operation, `)\b`, _same_sentence, `\b(?:`, target, `)\b`]), text)
}

_in_one_sentence(text, operation, target) if {
	regex.match(concat("", [`\b(?:`, target, `)\b`, _same_sentence, `\b(?:`, operation, `)\b`]), text)
}

# A sentence ends with a mark that is followed by white space: not inside `./chart` or `v2.1`.
_same_sentence := `(?:[^.!?]|[.!?]\S)*`

_terms := object.remove(data.settings.production_changes, ["roles", "targets", "operations", "exempt_groups"])
