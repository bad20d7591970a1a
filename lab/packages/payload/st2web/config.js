// Configuration of the web interface, @VERSION@
angular.module('main')
  .constant('st2Config', {
    hosts: [{
      name: 'StackStorm',
      url: '',
      auth: true
    }]
  });
