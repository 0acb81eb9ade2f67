"""The platform `webhook`: each question is a POST to a receiver that other people write.

- `settings`: the variables `WEBHOOK_*`.
- `requests`: the bodies of requests.
- `signature`: the headers of a request, signed by the rules of Standard Webhooks.
- `answers`: what a receiver says, as parts of an answer.
- `refusals`: what a status or a lost connection means.
- `platform`: the platform itself.
"""
