# METADATA
# title: Mask secrets in responses
# description: |
#   A credential that the model gives away is replaced by its label before it reaches the caller.
#   `settings.mask.response.secrets` replaces the plan below; an empty list switches it off.
package countersign.rules.mask_secrets_in_responses

# METADATA
# title: Replace each credential in a response by its label
redact contains row if {
	input.phase == "response"
	some row in _plan
}

default _plan := [{"entity": "SECRET_*", "method": "label"}]

_plan := data.settings.mask.response.secrets
