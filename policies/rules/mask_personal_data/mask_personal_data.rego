# METADATA
# title: Mask personal data in requests
# description: |
#   Whatever detection finds is replaced by a placeholder that stays the same within a session, so the model can reason about it.
#   `settings.mask.request.personal_data` replaces the plan below; an empty list switches it off.
package countersign.rules.mask_personal_data

# METADATA
# title: Replace each finding in a request by a token
redact contains row if {
	input.phase == "request"
	some row in _plan
}

default _plan := [{"entity": "*", "method": "token"}]

_plan := data.settings.mask.request.personal_data
