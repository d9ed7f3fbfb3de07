# METADATA
# title: Require identity
# description: |
#   Nobody talks to a model anonymously. `settings.identity.required: false` lets anonymous callers in; any other value,
#   and none at all, keeps them out.
package countersign.rules.require_identity

# METADATA
# title: Deny callers who did not prove who they are
deny contains {
	"status": 401,
	"code": "identity_required",
	"message": "a verified identity is required",
} if {
	not _anonymous_allowed
	not input.subject.authenticated
}

_anonymous_allowed if data.settings.identity.required == false
